"""A program on another device is the same program there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunec.frontends.huggingface import load
from prunec.ir.devices import on_device
from prunec.ir.program import Program

META = torch.device("meta")
"""Tensors without numbers: a call that mixes them with others fails, as on a GPU."""


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Program:
    return load(tiny_llama_dir).program


def test_everything_moves_and_runs_there(llama: Program) -> None:
    program = on_device(llama, META)
    assert {tensor.device for tensor in program.tensors().values()} == {META}
    logits = program(program.example)["logits"]
    assert logits.device == META
    assert logits.shape == llama(llama.example)["logits"].shape


def test_parameters_stay_parameters(llama: Program) -> None:
    kinds = {name: isinstance(value, torch.nn.Parameter) for name, value in llama.tensors().items()}
    moved = on_device(llama, META).tensors()
    assert {name: isinstance(value, torch.nn.Parameter) for name, value in moved.items()} == kinds


def test_on_its_own_device_it_shares_its_tensors_and_keeps_its_names(llama: Program) -> None:
    program = on_device(llama, torch.device("cpu"))
    assert program.graph is not llama.graph
    assert [node.name for node in program.graph.nodes] == [node.name for node in llama.graph.nodes]
    assert all(value is llama.tensor(name) for name, value in program.tensors().items())


def test_given_tensors_take_the_place_of_its_own(llama: Program) -> None:
    name = next(llama.tensor_names())
    other = torch.zeros_like(llama.tensor(name))
    program = on_device(llama, torch.device("cpu"), {name: other})
    assert torch.equal(program.tensor(name), other)
    assert not torch.equal(llama.tensor(name), other)
