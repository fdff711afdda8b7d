"""Distillation mends what training can mend, within its limits, and is kept only where held-out damage falls."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prunec.calibration.heldout import HeldOut
from prunec.calibration.labels import LABELS
from prunec.calibration.objective import with_labels
from prunec.calibration.tokens import token_count
from prunec.errors import InputError
from prunec.facts import Distilled, Plan
from prunec.ir.program import Program
from prunec.passbase import Context, PassResult, Silent
from prunec.passes.rewrite.distill import DistillPass, checkpoint, training
from prunec.passes.rewrite.distill.limits import Limits
from prunec.passes.rewrite.distill.training import item_weights
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case, small_corpus, with_tensors

QUICK: dict[str, Any] = {"minutes": 60.0, "steps": 24, "rate": 2e-3}
"""Steps end it long before the time does."""


class Listening(Silent):
    """Progress that keeps what it is told; at the item numbered `stop`, the user interrupts."""

    def __init__(self, stop: int | None = None) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.items = 0
        self.stop = stop

    def item(self, text: str, done: int, total: int) -> None:
        self.items += text.startswith("distilling")
        if self.items == self.stop:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def half_of_every_ffn(case: Case) -> Plan:
    neurons = [family for family in case.structure.families if family.kind == "neuron"]
    return Plan({family.name: tuple(range(0, family.units, 2)) for family in neurons})


def run(case: Case, context: Context, plan: Plan | None = None, **options: Any) -> tuple[Program, PassResult]:
    """The slim program, and what training makes of it."""
    plan = half_of_every_ffn(case) if plan is None else plan
    slim = case.program if plan.is_empty() else slim_program(case.program, case.structure, plan)
    return slim, DistillPass(**{**QUICK, **options}).run(slim, case.facts(plan), context)


def with_more_text(case: Case) -> Case:
    """A language model learns nothing for other text from the few tokens that the cases have."""
    more = small_corpus(rows=16, length=32)
    return replace(case, corpus=more) if case.goal.objective.name == "causal-lm" else case


def distilled(result: PassResult) -> Distilled:
    (found,) = result.facts
    assert isinstance(found, Distilled)
    return found


def tensors(result: PassResult) -> dict[str, Tensor]:
    return result.program.tensors()


@pytest.fixture(params=["llama", "bert", "classifier"])
def any_case(request: pytest.FixtureRequest) -> Case:
    """Logits of tokens, logits of masked tokens, logits of labelled texts."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Case)
    return found


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_held_out_damage_falls(hidden: float, any_case: Case, context: Context) -> None:
    case = with_more_text(any_case)
    slim, result = run(case, context, hidden=hidden)
    found = distilled(result)
    assert found.after < 0.9 * found.before
    held_out = HeldOut.of(case.program, case.corpus.choose, case.goal.objective)
    assert held_out.damage(slim) == pytest.approx(found.before, rel=1e-5)
    assert held_out.damage(result.program) == pytest.approx(found.after, rel=1e-5)
    assert f"{found.before:.4g} to {found.after:.4g}" in result.log


def test_what_removal_made_wrong_counts_more(classifier: Case) -> None:
    goal, truth = with_labels(classifier.goal.objective, classifier.corpus.score), torch.tensor([0, 0, 1])
    dense, slim = ({"logits": torch.eye(3)[torch.tensor(said)]} for said in ([0, 0, 2], [0, 1, 1]))
    assert item_weights(goal, 0.0, slim, dense, {LABELS: truth}) is None
    weights = item_weights(goal, 2.0, slim, dense, {LABELS: truth})
    assert weights is not None
    assert weights.tolist() == [1.0, 3.0, 1.0]


def test_dwelling_on_what_is_wrong_changes_what_is_learned(classifier: Case, context: Context) -> None:
    alike, dwelt = (run(classifier, context, steps=4, weakness=weight)[1] for weight in (0.0, 5.0))
    assert any(not torch.equal(value, tensors(alike)[name]) for name, value in tensors(dwelt).items())
    assert distilled(dwelt).after < distilled(dwelt).before


def test_where_nothing_is_right_there_is_nothing_to_dwell_on(bert: Case, context: Context) -> None:
    with pytest.raises(InputError, match="nothing says so of logits"):
        run(bert, context, weakness=1.0)


def test_steps_and_tokens_are_counted(bert: Case, context: Context) -> None:
    found = distilled(run(bert, context, steps=8)[1])
    assert found.steps == 8 == len(bert.corpus.score)
    assert found.tokens == sum(map(token_count, bert.corpus.score))


def test_time_ends_it_where_steps_do_not(bert: Case, context: Context) -> None:
    found = distilled(run(bert, context, steps=None, minutes=0.01)[1])
    assert found.steps
    assert found.seconds < 30


def test_tied_weights_stay_tied(bert: Case, context: Context) -> None:
    one, two = (f"bert.encoder.layer.{layer}.attention.output.dense.bias" for layer in (0, 1))
    shared = bert.program.tensor(one)
    tied = replace(bert, program=with_tensors(bert.program, {two: shared}))
    after = tensors(run(tied, context)[1])
    assert after[one] is after[two]
    assert not torch.equal(after[one], shared)


def test_buffers_and_constants_are_left_alone(case: Case, context: Context) -> None:
    slim, result = run(case, context)
    fixed = [name for name, value in slim.tensors().items() if not isinstance(value, torch.nn.Parameter)]
    assert fixed
    assert all(torch.equal(tensors(result)[name], slim.tensor(name)) for name in fixed)
    assert not any(value.requires_grad for value in tensors(result).values())


def test_the_programs_that_were_given_stay_as_they_are(case: Case, context: Context) -> None:
    before = {name: value.clone() for name, value in case.program.tensors().items()}
    slim = slim_program(case.program, case.structure, half_of_every_ffn(case))
    kept = slim.fingerprint()
    DistillPass(**QUICK).run(slim, case.facts(half_of_every_ffn(case)), context)
    assert slim.fingerprint() == kept
    assert all(torch.equal(value, before[name]) for name, value in case.program.tensors().items())


def test_what_equals_the_dense_program_is_left_alone(bert: Case, context: Context) -> None:
    inner = "bert.encoder.layer.1.output.dense.weight"
    weight = bert.program.tensor(inner).detach().clone()
    weight[:, 3] = 0.0
    idle = bert.with_tensors(**{inner.replace(".", "__"): weight})
    slim, result = run(idle, context, Plan({inner.removesuffix(".weight"): (3,)}))
    assert result.program is slim
    assert not result.facts
    assert "nothing to distil" in result.log


def test_where_nothing_went_there_is_nothing_to_distil(bert: Case, context: Context) -> None:
    slim, result = run(bert, context, Plan({}))
    assert result.program is slim
    assert result.log == "nothing to distil"


def test_bypassed_sublayers_have_no_stream_to_follow(case: Case, context: Context) -> None:
    first, last = case.structure.sublayers[0], case.structure.sublayers[-1]
    plan = replace(half_of_every_ffn(case), sublayers=(first.name, last.name))
    found = distilled(run(case, context, plan, hidden=1.0)[1])
    assert found.after < found.before


def test_an_absurd_rate_is_stopped_with_a_warning_and_leaves_the_start(bert: Case, context: Context) -> None:
    progress = Listening()
    slim, result = run(bert, replace(context, progress=progress), rate=1e4)
    found = distilled(result)
    assert result.program is slim
    assert found.after == found.before
    assert "stays at" in result.log
    assert found.steps < QUICK["steps"]
    (warning,) = progress.warnings
    assert "diverged" in warning


def test_one_that_diverges_at_first_begins_again_at_a_lower_rate(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, rates = training.Training._measure, list[float]()

    def lost_at_first(self: training.Training, limits: Limits) -> float:
        rates.append(self.standing.rate)
        if len(rates) > 1:
            return real(self, limits)
        self.standing.measured += 1
        return math.inf

    monkeypatch.setattr(training.Training, "_measure", lost_at_first)
    progress = Listening()
    found = distilled(run(bert, replace(context, progress=progress))[1])
    assert found.after < found.before
    assert found.steps == QUICK["steps"]
    assert not progress.warnings
    assert rates == [0.0, *[pytest.approx(DistillPass(**QUICK).rate / training.GENTLER)] * (len(rates) - 1)]


def test_what_was_best_before_it_diverged_is_kept(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "rate_factor", lambda share, step: 0.3 if step < 12 else 1e6)
    progress = Listening()
    slim, result = run(bert, replace(context, progress=progress))
    found = distilled(result)
    assert result.program is not slim
    assert found.after < 0.95 * found.before
    (warning,) = progress.warnings
    assert "the weights after 12 are kept" in warning


@pytest.mark.parametrize("halves", [False, True])
def test_the_same_seed_and_steps_give_the_same(
    halves: bool, bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.passes.rewrite.distill.halves_pay", lambda device: halves)
    (_, first), (_, second) = (run(bert, context) for _ in range(2))
    assert first.log == second.log
    assert ("bfloat16" in first.log) == halves
    assert all(torch.equal(value, tensors(second)[name]) for name, value in tensors(first).items())


def test_another_seed_takes_the_text_in_another_order(bert: Case, context: Context) -> None:
    (_, first), (_, second) = run(bert, context), run(bert, replace(context, seed=1))
    assert any(not torch.equal(value, tensors(second)[name]) for name, value in tensors(first).items())


@pytest.mark.parametrize("stop", [7, 20])
def test_an_interrupted_one_goes_on_and_gives_what_it_would_have(
    stop: int, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    _, whole = run(llama, replace(context, cache=context.cache / "other"))
    with pytest.raises(KeyboardInterrupt):
        run(llama, replace(context, progress=Listening(stop)))
    assert len(list(context.cache.glob("distill/*.safetensors"))) == 1
    progress = Listening()
    _, rest = run(llama, replace(context, progress=progress))
    assert progress.items == QUICK["steps"] - stop
    assert f"goes on after {stop} steps" in progress.notes[0]
    assert distilled(rest).steps == QUICK["steps"]
    assert distilled(rest).tokens == distilled(whole).tokens
    assert all(torch.allclose(value, tensors(rest)[name], atol=1e-6) for name, value in tensors(whole).items())


def test_a_finished_one_leaves_no_checkpoint(bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    run(bert, context)
    assert not list(context.cache.glob("distill/*"))


def test_a_damaged_checkpoint_is_said_and_not_used(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(bert, replace(context, progress=Listening(4)))
    (path,) = context.cache.glob("distill/*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    progress = Listening()
    _, result = run(bert, replace(context, progress=progress))
    assert "is damaged" in progress.notes[0]
    assert progress.items == QUICK["steps"]
    assert distilled(result).after < distilled(result).before


def test_where_no_checkpoint_can_be_written_training_goes_on(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    context.cache.write_text("a file where the folder should be")
    progress = Listening()
    _, result = run(bert, replace(context, progress=progress))
    (warning,) = progress.warnings
    assert "cannot be gone on with" in warning
    assert distilled(result).after < distilled(result).before


def test_another_plan_or_option_does_not_go_on_from_it(
    bert: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(bert, replace(context, progress=Listening(4)))
    progress = Listening()
    run(bert, replace(context, progress=progress), rate=1e-3)
    assert progress.items == QUICK["steps"]


def test_checkpoints_that_nobody_went_on_with_are_cleared(tmp_path: Path) -> None:
    old, new, own = (tmp_path / f"{name}.safetensors" for name in ("old", "new", "own"))
    for path in (old, new, own):
        path.touch()
    for path in (old, own):
        os.utime(path, (0, 0))
    assert checkpoint.Checkpoints(own, Silent()).write(checkpoint.Standing(), {"x": torch.ones(2)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.safetensors", "own.safetensors"]


@pytest.mark.parametrize(
    "options", [{"minutes": 0.0}, {"steps": 0}, {"rate": -1.0}, {"sequences": 0}, {"hidden": -1.0}, {"rate": math.nan}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"distill\{{{next(iter(options))}=.*\}} is"):
        DistillPass(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(bert: Case, context: Context) -> None:
    with pytest.raises(InputError, match="torch finds none"):
        run(bert, context, device="cuda")
