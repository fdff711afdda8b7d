"""Training without a time has so much work; what cannot be trained is left as it was, with a warning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunec.facts import Dense
from prunec.ir.program import Program
from prunec.passbase import Context
from prunec.passes.rewrite import distill
from prunec.passes.rewrite.distill import DistillPass, checkpoint, limits
from prunec.passes.rewrite.distill.checkpoint import Standing
from prunec.passes.rewrite.distill.limits import Limits
from prunec.passes.rewrite.distill.training import Batch, Training
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case
from tests.passes.rewrite.test_distill import Listening, distilled, half_of_every_ffn, run

NO_DERIVATIVE = "derivative for aten::heaviside is not implemented"
UNTRAINED = "the slim model is not trained, and stays as it was re-fitted: "


def allowed(program: Program, batch: Mapping[str, Tensor]) -> int:
    found = Limits.of(None, None, program, program, batch)
    assert found.seconds == math.inf
    assert found.steps is not None
    return found.steps


def test_twice_the_work_is_twice_the_steps(llama: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10_000)
    monkeypatch.setattr(limits, "FEWEST", 1)
    batch = llama.corpus.score[0]
    monkeypatch.setattr(limits, "WORK", 1e9)
    once = allowed(llama.program, batch)
    monkeypatch.setattr(limits, "WORK", 2e9)
    assert once > 10
    assert allowed(llama.program, batch) == pytest.approx(2 * once, abs=1)


def test_more_text_a_step_is_fewer_steps(llama: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10_000)
    monkeypatch.setattr(limits, "WORK", 1e10)
    batch = llama.corpus.score[0]
    longer = {name: torch.cat([value, value]) for name, value in batch.items()}
    assert allowed(llama.program, longer) == pytest.approx(allowed(llama.program, batch) / 2, rel=0.01)


def test_however_large_or_small_there_are_some_steps_and_not_too_many(
    llama: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST", 400)
    for work, steps in ((1.0, limits.FEWEST), (1e18, 400)):
        monkeypatch.setattr(limits, "WORK", work)
        assert allowed(llama.program, llama.corpus.score[0]) == steps


def test_a_step_has_fewer_sequences_where_there_are_few_steps(llama: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = llama.corpus.score[0]
    program = llama.program
    once = {name: value[:1] for name, value in batch.items()}
    many, few = limits.ROWS
    monkeypatch.setattr(limits, "MOST", 10_000)
    monkeypatch.setattr(limits, "WORK", 1e9)
    enough = 1e9 * limits.ENOUGH * many / allowed(program, once)
    for work, rows in ((1.1 * enough, many), (0.9 * enough, few)):
        monkeypatch.setattr(limits, "WORK", work)
        assert limits.usual_rows(program, program, batch) == rows


def test_what_is_asked_for_is_what_there_is(llama: Case) -> None:
    batch = llama.corpus.score[0]
    assert Limits.of(2, None, llama.program, llama.program, batch) == Limits(120, None)
    assert Limits.of(None, 7, llama.program, llama.program, batch) == Limits(math.inf, 7)
    assert Limits(math.inf, 8).share(Standing(step=2, seconds=1e6)) == 0.25


def tried(case: Case, context: Context) -> tuple[bool, str, list[str]]:
    """Whether the program stayed as it was, what the pass says of it, and warnings."""
    plan, listening = half_of_every_ffn(case), Listening()
    slim = slim_program(case.program, case.structure, plan)
    context = Context(context.scratch, context.cache, progress=listening)
    result = DistillPass().run(slim, case.facts(plan, Dense(case.program)), context)
    return result.program is slim, result.log, listening.warnings


def test_too_little_memory_is_said_and_nothing_is_trained(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "memory_free", lambda device: 1e6)
    monkeypatch.setattr(distill, "memory_needed", lambda slim: 26e9)
    stayed, log, warnings = tried(llama, context)
    assert stayed
    assert log == "not trained: that takes 26 GB of memory, and 0.001 are free"
    assert warnings == [f"{UNTRAINED}that takes 26 GB of memory, and 0.001 are free"]


def test_memory_is_counted_in_weights(llama: Case) -> None:
    assert limits.memory_needed(llama.program) > 5 * 4 * llama.program.parameter_count()


def test_an_operator_without_a_derivative_is_said_and_nothing_is_trained(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = Training._loss

    def underived(training: Training, batch: Batch) -> Tensor:
        return torch.heaviside(loss(training, batch), torch.zeros(()))

    monkeypatch.setattr(Training, "_loss", underived)
    stayed, log, warnings = tried(llama, context)
    assert stayed
    assert log == f"not trained: {NO_DERIVATIVE}"
    assert warnings == [f"{UNTRAINED}{NO_DERIVATIVE}"]


def test_weights_that_the_loss_does_not_depend_on_are_said_and_nothing_is_trained(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = Training._loss
    monkeypatch.setattr(Training, "_loss", lambda training, batch: loss(training, batch).detach())
    stayed, log, _ = tried(llama, context)
    assert stayed
    assert "does not require grad" in log


@pytest.mark.parametrize("place", ["_loss", "_step", "_measure"])
def test_any_other_failure_is_one(place: str, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(training: Training, of: object) -> float:
        raise RuntimeError("shape '[2, 3]' is invalid for input of size 5")

    monkeypatch.setattr(Training, place, fail)
    with pytest.raises(RuntimeError, match="is invalid"):
        tried(llama, context)


def test_too_little_memory_to_begin_with_is_said_and_nothing_is_trained(
    llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(training: Training, batch: Batch) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory\nand more")

    monkeypatch.setattr(Training, "_loss", fail)
    stayed, log, warnings = tried(llama, context)
    assert stayed
    assert log == "not trained: CUDA out of memory"
    assert warnings == [f"{UNTRAINED}CUDA out of memory"]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_what_was_best_before_memory_ran_out_is_kept(
    error: RuntimeError, bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Training._step

    def fail_late(training: Training, share: float) -> float:
        if training.standing.step == 20:
            raise error
        return step(training, share)

    monkeypatch.setattr(Training, "_step", fail_late)
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    progress = Listening()
    slim, result = run(bert, replace(context, progress=progress))
    assert result.program is not slim
    assert distilled(result).after < 0.95 * distilled(result).before
    (warning,) = progress.warnings
    assert warning.startswith("distillation ran out of memory after 20 steps, and the weights after ")
    assert not list(context.cache.glob("distill/*"))
