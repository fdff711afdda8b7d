"""Training without a time has so much work; what cannot be trained is left as it was, with a warning."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from prunec.facts import Dense
from prunec.ir.program import Program
from prunec.passbase import Context
from prunec.passes.rewrite import distill
from prunec.passes.rewrite.distill import DistillPass, limits
from prunec.passes.rewrite.distill.checkpoint import Standing
from prunec.passes.rewrite.distill.limits import Limits
from prunec.passes.rewrite.distill.training import Training
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case
from tests.passes.rewrite.test_distill import Listening, half_of_every_ffn

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
    def refuse(training: Training, share: float) -> float:
        raise NotImplementedError("derivative for aten::odd is not implemented\nand more")

    monkeypatch.setattr(Training, "_step", refuse)
    stayed, log, warnings = tried(llama, context)
    assert stayed
    assert log == "not trained: derivative for aten::odd is not implemented"
    assert warnings == [f"{UNTRAINED}derivative for aten::odd is not implemented"]
