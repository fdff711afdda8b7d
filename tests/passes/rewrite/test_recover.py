"""Recovery mends what the kept weights can mend, and only where held-out damage falls."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from prunec.calibration.objective import Features, Goal, Tensors, Total
from prunec.facts import Plan, Recovered
from prunec.ir.program import Program
from prunec.passbase import Context, PassResult
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.recover.walk import parted
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case, small_corpus
from tests.passes.rewrite.test_distill import Listening

FFN = "bert.encoder.layer.1.output.dense"
INNER = "bert__encoder__layer__1__intermediate__dense"


def run(case: Case, plan: Plan, context: Context, **options: str) -> tuple[Program, PassResult]:
    """The slim program, and what recovery makes of it."""
    slim = slim_program(case.program, case.structure, plan)
    return slim, RecoverPass(**options).run(slim, case.facts(plan), context)  # type: ignore[arg-type]


def damages(result: PassResult) -> Recovered:
    (found,) = [fact for fact in result.facts if isinstance(fact, Recovered)]
    return found


def half_of_every_ffn(case: Case) -> Plan:
    neurons = [family for family in case.structure.families if family.kind == "neuron"]
    return Plan({family.name: tuple(range(0, family.units, 2)) for family in neurons})


@pytest.mark.parametrize("method", ["lsq", "bias"])
def test_held_out_damage_falls(method: str, bert: Case, context: Context) -> None:
    slim, result = run(bert, half_of_every_ffn(bert), context, method=method)
    found = damages(result)
    assert found.after < 0.95 * found.before
    assert found.method == method
    assert found.sublayers
    assert tuple(found.missing) == found.sublayers
    assert all(after < before for before, after in found.missing.values())
    assert {name: value.shape for name, value in result.program.tensors().items()} == {
        name: value.shape for name, value in slim.tensors().items()
    }


def test_a_neuron_that_has_a_twin_is_mended_completely(bert: Case, context: Context) -> None:
    weight, bias = (bert.program.tensor(f"{INNER.replace('__', '.')}.{n}").detach().clone() for n in ("weight", "bias"))
    weight[1], bias[1] = weight[0], bias[0]
    twins = bert.with_tensors(**{f"{INNER}__weight": weight, f"{INNER}__bias": bias})
    _, result = run(twins, Plan({FFN: (1,)}), context)
    found = damages(result)
    assert found.before > 1e-5
    assert found.after < 0.01 * found.before
    before, after = found.missing["bert.encoder.layer.1.output"]
    assert before > 1e-5
    assert after < 0.01 * before


def test_a_constant_neuron_is_mended_by_the_bias(bert: Case, context: Context) -> None:
    weight, bias = (bert.program.tensor(f"{INNER.replace('__', '.')}.{n}").detach().clone() for n in ("weight", "bias"))
    weight[3], bias[3] = 0.0, 2.0
    constant = bert.with_tensors(**{f"{INNER}__weight": weight, f"{INNER}__bias": bias})
    slim, result = run(constant, Plan({FFN: (3,)}), context, method="bias")
    found = damages(result)
    assert found.before > 1e-4
    assert found.after < 0.01 * found.before
    assert torch.equal(result.program.tensor(f"{FFN}.weight"), slim.tensor(f"{FFN}.weight"))


def test_a_projection_without_a_bias_may_get_one(llama: Case, context: Context) -> None:
    plan = Plan({"model.layers.1.mlp.down_proj": tuple(range(80))})
    _, result = run(llama, plan, context, method="bias")
    if damages(result).sublayers:
        assert any(name.endswith("down_proj.bias") for name in result.program.tensor_names())
    with torch.no_grad():
        outputs = result.program(llama.corpus.report[0])
    assert torch.isfinite(outputs["logits"]).all()


class AtRest(Features):
    """An objective under which any change of the slim program is damage."""

    still: ClassVar[Program]

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        with torch.no_grad():
            unchanged = self.still(inputs)
        return sum(float((outputs[name] - unchanged[name]).abs().sum()) for name in outputs), 1.0


def test_it_is_never_applied_where_held_out_damage_rises(bert: Case, context: Context) -> None:
    plan = half_of_every_ffn(bert)
    slim = slim_program(bert.program, bert.structure, plan)
    goal = type("Still", (AtRest,), {"still": slim})()
    result = RecoverPass().run(slim, replace(bert, goal=Goal(goal)).facts(plan), context)
    assert result.program is slim
    assert damages(result).sublayers == ()
    assert "would not fall" in result.log


class Brittle(AtRest):
    """An objective that gives no number for any change of the slim program."""

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        changed, count = super().damage(outputs, dense, inputs)
        return (math.nan if changed else 1.0), count


def test_it_is_never_applied_where_held_out_damage_is_no_number(bert: Case, context: Context) -> None:
    plan = half_of_every_ffn(bert)
    slim = slim_program(bert.program, bert.structure, plan)
    goal = type("Still", (Brittle,), {"still": slim})()
    result = RecoverPass().run(slim, replace(bert, goal=Goal(goal)).facts(plan), context)
    assert result.program is slim


def test_what_was_kept_whole_and_lost_nothing_is_left_alone(bert: Case, context: Context) -> None:
    plan = Plan({FFN: tuple(range(48))})
    slim, result = run(bert, plan, context)
    first = "bert.encoder.layer.0.attention.output.dense.weight"
    assert torch.allclose(result.program.tensor(first), slim.tensor(first), atol=1e-3)


@pytest.mark.parametrize(
    ("plan", "method", "log"), [(Plan({}), "lsq", "nothing to recover"), (Plan({FFN: (1,)}), "none", "not asked for")]
)
def test_nothing_is_done_where_nothing_is_asked_for(
    plan: Plan, method: str, log: str, bert: Case, context: Context
) -> None:
    slim = bert.program if plan.is_empty() else slim_program(bert.program, bert.structure, plan)
    result = RecoverPass(method).run(slim, bert.facts(plan), context)  # type: ignore[arg-type]
    assert result.program is slim
    assert not result.facts
    assert log in result.log


def test_bypassed_sublayers_are_stepped_over(case: Case, context: Context) -> None:
    first, last = case.structure.sublayers[0], case.structure.sublayers[-1]
    _, result = run(case, replace(half_of_every_ffn(case), sublayers=(first.name, last.name)), context)
    found = damages(result)
    assert found.after <= found.before
    assert first.name not in found.sublayers


def test_the_program_that_was_given_stays_as_it_is(bert: Case, context: Context) -> None:
    before = {name: value.clone() for name, value in bert.program.tensors().items()}
    slim, _ = run(bert, half_of_every_ffn(bert), context)
    kept = slim.fingerprint()
    RecoverPass().run(slim, bert.facts(half_of_every_ffn(bert)), context)
    assert slim.fingerprint() == kept
    assert all(torch.equal(value, before[name]) for name, value in bert.program.tensors().items())


@pytest.mark.parametrize("method", ["lsq", "bias"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_batches_are_divided_so_that_some_can_be_held_out(
    count: int, method: str, bert: Case, context: Context
) -> None:
    few = replace(small_corpus(), score=small_corpus(rows=16).score[:count])
    _, result = run(replace(bert, corpus=few), half_of_every_ffn(bert), context, method=method)
    assert damages(result).after < damages(result).before


def test_parts_hold_the_same_rows_and_only_what_must_is_divided(bert: Case) -> None:
    corpus = small_corpus(rows=5)
    for count in (1, 2, 3):
        batches = corpus.score[:count]
        parts = parted(batches, bert.program)
        assert len(parts) >= 4
        for name in ("input_ids", "attention_mask"):
            assert torch.equal(*(torch.cat([item[name] for item in items]) for items in (parts, batches)))
    assert parted(corpus.score, bert.program) == list(corpus.score)
    rigid = replace(bert.program, inputs=tuple(replace(item, axes={}) for item in bert.program.inputs))
    assert parted(corpus.score[:2], rigid) == list(corpus.score[:2])


@pytest.mark.parametrize("method", ["lsq", "bias", "rescale"])
def test_too_little_text_to_hold_any_out_changes_nothing_and_is_said(method: str, bert: Case, context: Context) -> None:
    little, progress = replace(small_corpus(), score=small_corpus(rows=3).score[:1]), Listening()
    context = replace(context, progress=progress)
    slim, result = run(replace(bert, corpus=little), half_of_every_ffn(bert), context, method=method)
    assert result.program is slim
    assert result.log == "not re-fitted: 3 batches of scoring text cannot both fit a repair and choose it"
    (warning,) = progress.warnings
    assert warning.endswith("choose it, give 4 or more")
