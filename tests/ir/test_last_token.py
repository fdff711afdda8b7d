"""The logits of the last token are those that the whole program gives it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.ir.last_token import last_token
from prunec.ir.program import Program
from prunec.ir.verify import verify
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs
from tests.programs import program_from_module


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Program:
    return load(tiny_llama_dir).program


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (3, 4), (2, 31)])
def test_they_are_the_last_of_all(llama: Program, batch: int, length: int) -> None:
    inputs = text_inputs(batch, length)
    with torch.no_grad():
        alone, whole = last_token(llama)(inputs)["logits"], llama(inputs)["logits"]
    assert alone.shape == (batch, 1, whole.shape[-1])
    torch.testing.assert_close(alone, whole[:, -1:])


def test_what_nothing_else_reads_is_computed_for_the_last_token_alone(llama: Program) -> None:
    linear, cut = torch.ops.aten.linear.default, torch.ops.aten.slice.Tensor
    products = [node for node in last_token(llama).graph.nodes if node.target is linear]
    of_the_last = {str(node.args[1]) for node in products if node.all_input_nodes[0].target is cut}
    assert of_the_last == {"model_layers_2_self_attn_o_proj_weight"}


class Reader(nn.Module):
    """States that come before the head's and that every token needs: their mean is an output, too."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 9)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states = torch.relu(self.body(x))
        return self.head(states * 2.0), states.mean(1)


def test_what_another_output_reads_is_computed_for_every_token() -> None:
    program, x = named(Reader(), "logits", "mean"), {"x": torch.rand(3, 6, 4)}
    torch.testing.assert_close(last_token(program)(x)["mean"], program(x)["mean"])
    torch.testing.assert_close(last_token(program)(x)["logits"], program(x)["logits"][:, -1:])


def test_the_program_stays_as_it_was_and_the_new_one_is_sound(llama: Program) -> None:
    before = llama.fingerprint()
    verify(last_token(llama))
    assert llama.fingerprint() == before


def test_the_artifact_gives_them(llama: Program, tmp_path: Path) -> None:
    OnnxBackend().emit(last_token(llama), tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), last_token(llama), text_inputs(3, 9))


class Headed(nn.Module):
    """Logits within a bound, of states that are no output or one too."""

    def __init__(self, shares: bool) -> None:
        super().__init__()
        self.body, self.head, self.shares = nn.Linear(4, 4), nn.Linear(4, 9), shares

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        logits = self.head(self.body(x))
        return (torch.tanh(logits / 3.0) * 3.0, logits) if self.shares else (torch.tanh(logits / 3.0) * 3.0,)


def named(module: nn.Module, *outputs: str) -> Program:
    program = program_from_module(module, {"x": torch.rand(2, 5, 4)}, {"x": {0: "batch", 1: "sequence"}})
    return replace(program, outputs=outputs)


def test_a_bound_on_logits_is_looked_through() -> None:
    program, x = named(Headed(False), "logits"), {"x": torch.rand(3, 6, 4)}
    torch.testing.assert_close(last_token(program)(x)["logits"], program(x)["logits"][:, -1:])


def test_a_head_that_another_output_needs_whole_is_refused() -> None:
    with pytest.raises(InputError, match="no output head that is one product"):
        last_token(named(Headed(True), "logits", "raw"))


class Flat(nn.Module):
    """A head that reads all tokens in one row after another."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 9)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x.flatten(0, 1))
        return logits


def test_a_head_that_cannot_tell_tokens_apart_is_refused() -> None:
    with pytest.raises(InputError, match="no output head that is one product"):
        last_token(named(Flat(), "logits"))
