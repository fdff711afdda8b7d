"""A program in double precision computes the same, more exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunec.frontends.huggingface import load
from prunec.ir.precision import doubles, in_double
from prunec.ir.program import Program


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Program:
    return load(tiny_llama_dir).program


def test_everything_is_double_and_the_results_agree(llama: Program) -> None:
    program = in_double(llama)
    exact, single = program(doubles(llama.example))["logits"], llama(llama.example)["logits"]
    assert exact.dtype == torch.float64
    assert {tensor.dtype for tensor in program.tensors().values()} <= {torch.float64, torch.int64}
    difference = float((exact - single).abs().max())
    assert 0 < difference < 1e-5


def test_the_original_is_left_alone(llama: Program) -> None:
    before = llama.fingerprint()
    in_double(llama)
    assert llama.fingerprint() == before
