"""Products take bfloat16 where that pays and where the program can; else training is in single precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from prunec.passbase import Context
from prunec.passes.rewrite.distill import checkpoint, precision
from prunec.passes.rewrite.distill.precision import halves_pay, mixed, runs_in_halves
from tests.passes.cases import Case
from tests.passes.rewrite.test_distill import QUICK, Listening, run
from tests.programs import program_from_module

CPU = torch.device("cpu")


class Strict(nn.Module):
    """Adds rows to a table of single precision, which takes no others."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(8, 4).index_add(0, torch.arange(2), self.linear(x))


class Overflowing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x @ x.T) * torch.inf


@pytest.mark.parametrize(("half", "pays"), [(1.0, True), (1.9, False), (9.0, False)])
def test_on_a_processor_the_faster_product_decides(half: float, pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(work: Callable[[], Tensor]) -> float:
        return half if work().dtype == torch.bfloat16 else 2.0

    monkeypatch.setattr(precision, "_shortest", seconds)
    assert halves_pay(CPU) is pays


def test_the_timed_product_is_run() -> None:
    assert precision._shortest(lambda: torch.ones(2) + 1) > 0


@pytest.mark.parametrize("module", [Strict(), Overflowing()])
def test_a_program_that_cannot_does_not(module: nn.Module) -> None:
    example = {"x": torch.ones(2, 4)}
    program = program_from_module(module, example, {})
    assert not runs_in_halves(program, example)


def test_a_model_can(case: Case) -> None:
    assert runs_in_halves(case.program, case.corpus.choose[0])


def test_weights_and_their_gradients_stay_in_single_precision() -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    with mixed(CPU, True):
        product = weight @ torch.ones(3, 3)
    assert product.dtype == torch.bfloat16
    product.float().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_an_interrupted_one_goes_on_in_the_precision_that_it_began_in(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr("prunec.passes.rewrite.distill.halves_pay", lambda device: True)
    with pytest.raises(KeyboardInterrupt):
        run(bert, replace(context, progress=Listening(7)))
    monkeypatch.setattr("prunec.passes.rewrite.distill.halves_pay", lambda device: False)
    progress = Listening()
    _, rest = run(bert, replace(context, progress=progress))
    assert progress.items == QUICK["steps"] - 7
    assert "in bfloat16" in rest.log
