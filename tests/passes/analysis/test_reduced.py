"""Fewer bits than 32: what is timed, compared and measured is the artifact as it is then."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from prunec.calibration.rounding import to_refine
from prunec.cost.numerics import Numerics
from prunec.cost.target import Baseline, Rival, Target, Verdict
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.facts import Ceiling, CostModel, Plan, Quality
from prunec.options import BudgetKind
from prunec.passbase import Context, Facts
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.cost import CostPass
from prunec.passes.analysis.emit import EmitPass
from prunec.passes.analysis.evaluate import EvaluatePass
from prunec.passes.analysis.grain import GrainPass
from prunec.passes.analysis.rival import RivalPass
from prunec.passes.analysis.verify import VerifyPass
from prunec.passes.rewrite.smooth import SmoothPass
from tests.passes.cases import Case
from tests.passes.fakes import RoundingBackend, by_parameters, rounding_backend


def target(backend: RoundingBackend, kind: BudgetKind = "speedup", value: float = 3.0, dtype: str = "int8") -> Target:
    asked = Numerics(dtype)
    return Target(backend.at(asked), Workload("prefill", 1, 16, 1), kind, value, "slim.fake", numerics=asked)


def emitted(case: Case, context: Context, aim: Target) -> Facts:
    """The dense program as baseline and as artifact, nothing removed."""
    facts = case.facts(aim, Plan({}))
    for step in (BaselinePass(), EmitPass()):
        for fact in step.run(case.program, facts, context).facts:
            facts.put(fact)
    return facts


def test_a_speedup_is_over_float32_and_the_floor_in_fewer_bits(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), value=3.0))
    baseline = facts[Baseline]
    dense = by_parameters(llama.program)
    assert baseline.dense.median == pytest.approx(dense)
    assert baseline.unpruned.median == pytest.approx(dense / 2)
    assert facts[Ceiling].value == pytest.approx(dense / 3)


def test_a_dense_model_that_fewer_bits_bring_within_the_budget_is_emitted_so(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = llama.facts(target(backend(), value=1.5))
        result = BaselinePass().run(llama.program, facts, context)
    assert result.skip_to == "smooth"
    assert "within the budget already" in result.log


def test_tables_are_measured_in_fewer_bits(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend()))
        (costs,) = CostPass(seconds=0).run(llama.program, facts, context).facts
        kinds = {numerics.dtype for path, numerics in backend.rounded.items() if path.name.startswith("probe")}
    assert isinstance(costs, CostModel)
    assert kinds == {"int8"}
    assert costs.predict(llama.structure, Plan({})) == pytest.approx(facts[Baseline].unpruned.median)


def test_bytes_are_those_of_the_artifact(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), "bytes", 3e5))
        (costs,) = CostPass().run(llama.program, facts, context).facts
    assert isinstance(costs, CostModel)
    assert costs.predict(llama.structure, Plan({})) == pytest.approx(facts[Baseline].unpruned_bytes)


def test_the_artifact_in_float32_is_compared_and_the_rounding_stated(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), "latency_ms", 2.0))
        (verdict,) = VerifyPass(seconds=0).run(llama.program, facts, context).facts
    assert isinstance(verdict, Verdict)
    assert verdict.error == 0
    assert verdict.rounding is not None
    assert 0 < verdict.rounding < 0.1


def test_what_is_wrong_altogether_is_no_rounding(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters, off=5.0) as backend:
        facts = emitted(llama, context, target(backend(), "latency_ms", 2.0))
        with pytest.raises(VerificationError, match=r"in int8 the artifact differs from the program by \d+%"):
            VerifyPass(seconds=0).run(llama.program, facts, context)


@pytest.mark.parametrize("last_token", [False, True])
def test_the_loss_is_that_of_the_artifact(llama: Case, context: Context, last_token: bool) -> None:
    with rounding_backend(by_parameters, off=math.nan) as backend:
        aim = replace(target(backend(), "latency_ms", 2.0), last_token=last_token)
        facts = emitted(llama, context, aim)
        (found,) = EvaluatePass().run(llama.program, facts, context).facts
    assert isinstance(found, Quality)
    assert math.isfinite(found.dense)
    assert math.isnan(found.slim)


def test_products_that_lose_most_are_rounded_less() -> None:
    errors = {"a": 0.5, "b": 0.001}
    assert to_refine(errors, "int8", 128) == {"a"}
    assert to_refine(errors, "int4", 1) == {"a"}
    assert to_refine(errors, "int8", 1) == {"a", "b"}
    assert to_refine(errors, "int8", 128, limit=0.0001) == {"a", "b"}


def test_grain_and_smooth_do_nothing_in_float32(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = llama.facts(target(backend(), dtype="fp32"))
        grain, smooth = (step.run(llama.program, facts, context) for step in (GrainPass(), SmoothPass()))
    assert (grain.facts, smooth.program) == ((), llama.program)
    assert "fp32" in grain.log
    assert "fp32" in smooth.log


def test_smoothing_changes_weights_and_no_output(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        result = SmoothPass().run(llama.program, llama.facts(target(backend())), context)
    name = "model.layers.0.mlp.down_proj.weight"
    assert not result.program.tensor(name).equal(llama.program.tensor(name))
    batch = llama.corpus.report[0]
    assert result.program(batch)["logits"].equal(llama.program(batch)["logits"])


def test_the_rival_is_the_dense_model_in_int8(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), "latency_ms", 5.0, dtype="fp32"))
        (rival,) = RivalPass(seconds=0).run(llama.program, facts, context).facts
    assert isinstance(rival, Rival)
    dense = by_parameters(llama.program)
    assert rival.dense.median == pytest.approx(dense)
    assert rival.latency.median == pytest.approx(dense / 2)
    assert rival.slim.median == pytest.approx(dense)
    assert rival.size == llama.program.size_bytes() + 1000
    assert rival.quality.items == 76


def test_nothing_rivals_an_artifact_that_is_the_dense_model_in_int8(llama: Case, context: Context) -> None:
    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), "latency_ms", 5.0))
        result = RivalPass(seconds=0).run(llama.program, facts, context)
    assert result.facts == ()
    assert "is the dense model in int8 itself" in result.log


@pytest.mark.parametrize("step", ["emit", "load"])
def test_a_rival_that_cannot_be_made_costs_nothing_else(
    step: str, llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such luck")

    with rounding_backend(by_parameters) as backend:
        facts = emitted(llama, context, target(backend(), "latency_ms", 5.0, dtype="fp32"))
        monkeypatch.setattr(backend, step, broken)
        result = RivalPass(seconds=0).run(llama.program, facts, context)
    assert (result.facts, result.log) == ((), "there is none: ValueError: no such luck")
