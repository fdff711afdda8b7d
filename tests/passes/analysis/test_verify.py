"""Verification compares, times, judges, and corrects the cost model where the budget is missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunec.cost.comparison import numbers
from prunec.cost.target import Baseline, Target, Verdict
from prunec.cost.timer import Arrays
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.facts import Ceiling, CostModel, Plan
from prunec.ir.precision import in_double
from prunec.ir.program import Program
from prunec.options import BudgetKind
from prunec.passbase import Context, Facts, PassResult
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.emit import EmitPass
from prunec.passes.analysis.verify import VerifyPass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case
from tests.passes.fakes import FakeRunner, Formula, by_parameters, fake_backend

PLAN = Plan({"model.layers.0.mlp.down_proj": tuple(range(48))}, ("model.layers.2.mlp",), predicted_cost=0.8)
WORKLOAD = Workload("prefill", 1, 16, 1)


class Machine:
    """What a run takes: `pace` times the usual; `slim_excess` ms more where something was removed."""

    def __init__(self, dense: Program, slim_excess: float = 0.0) -> None:
        self.dense, self.slim_excess, self.pace = dense.parameter_count(), slim_excess, 1.0

    def __call__(self, program: Program) -> float:
        excess = 0.0 if program.parameter_count() == self.dense else self.slim_excess
        return self.pace * (by_parameters(program) + excess)


def judged(
    case: Case,
    context: Context,
    formula: Formula,
    kind: BudgetKind = "latency_ms",
    value: float = 0.8,
    *,
    plan: Plan = PLAN,
    error: float = 0.0,
    earlier: Verdict | None = None,
    later_pace: float = 1.0,
    workload: Workload = WORKLOAD,
    work: VerifyPass = VerifyPass(),  # noqa: B008
) -> tuple[PassResult, Facts]:
    """Baseline, removal, emission and verification in turn; the machine changes its pace before the last."""
    with fake_backend(formula, error) as backend:
        facts = case.facts(Target(backend(), workload, kind, value, "slim.fake"), plan, CostModel("ms", 0.3, {}))
        for fact in BaselinePass().run(case.program, facts, context).facts:
            facts.put(fact)
        facts.put(plan)
        if earlier is not None:
            facts.put(earlier)
        slim = case.program if plan.is_empty() else slim_program(case.program, case.structure, plan)
        for fact in EmitPass().run(slim, facts, context).facts:
            facts.put(fact)
        if isinstance(formula, Machine):
            formula.pace = later_pace
        result = work.run(slim, facts, context)
    found = Facts()
    for fact in (*result.facts, facts[Baseline], facts[Ceiling]):
        found.put(fact)
    return result, found


def truth(case: Case) -> float:
    """What the slim program takes."""
    return by_parameters(slim_program(case.program, case.structure, PLAN))


def test_a_budget_that_holds_is_the_end(llama: Case, context: Context) -> None:
    result, facts = judged(llama, context, by_parameters, value=1.02 * truth(llama))
    verdict = facts[Verdict]
    assert verdict.holds
    assert verdict.latency.median == pytest.approx(truth(llama))
    assert verdict.dense.median == pytest.approx(by_parameters(llama.program))
    (only,) = verdict.rounds
    assert only.predicted == 0.8
    assert only.measured == pytest.approx(truth(llama))
    assert only.ceiling == pytest.approx(1.02 * truth(llama))
    assert result.again_from is None
    assert CostModel not in facts


def test_a_missed_budget_corrects_the_constant_and_searches_again(llama: Case, context: Context) -> None:
    ceiling = 0.95 * truth(llama)
    result, facts = judged(llama, context, by_parameters, value=ceiling)
    assert not facts[Verdict].holds
    assert result.again_from == "knapsack"
    assert facts[CostModel].constant == pytest.approx(0.3 + truth(llama) - 0.8)
    assert "missed" in result.log


class Disturbed:
    """The slim artifact takes a share more until it has been loaded for the comparison and for one timing."""

    def __init__(self, case: Case, share: float) -> None:
        self.slim = slim_program(case.program, case.structure, PLAN).parameter_count()
        self.share, self.loaded = share, 0

    def __call__(self, program: Program) -> float:
        self.loaded += program.parameter_count() == self.slim
        disturbed = program.parameter_count() == self.slim and self.loaded <= 2
        return by_parameters(program) * (1 + self.share * disturbed)


def test_a_miss_within_the_noise_is_timed_again(llama: Case, context: Context) -> None:
    result, facts = judged(llama, context, Disturbed(llama, 0.01), value=1.005 * truth(llama))
    assert facts[Verdict].holds
    assert [item.measured for item in facts[Verdict].rounds] == [pytest.approx(truth(llama))]
    assert "at first, timed again" in result.log


def test_a_miss_beyond_the_noise_is_believed(llama: Case, context: Context) -> None:
    result, facts = judged(llama, context, Disturbed(llama, 0.05), value=1.005 * truth(llama))
    assert not facts[Verdict].holds
    assert result.again_from == "knapsack"


def test_room_that_is_left_stays(llama: Case, context: Context) -> None:
    result, facts = judged(llama, context, by_parameters, value=1.1 * truth(llama))
    assert facts[Verdict].holds
    assert result.again_from is None


def test_after_the_last_round_a_missed_budget_stays_missed(llama: Case, context: Context) -> None:
    earlier = None
    for again in ("knapsack", "knapsack", None):
        result, facts = judged(llama, context, by_parameters, value=0.9 * truth(llama), earlier=earlier)
        earlier = facts[Verdict]
        assert result.again_from == again
        assert not earlier.holds
    assert earlier is not None
    assert len(earlier.rounds) == 3


def test_nothing_is_searched_again_where_nothing_is_left_to_save(llama: Case, context: Context) -> None:
    machine = Machine(llama.program, slim_excess=0.4)
    result, facts = judged(llama, context, machine, "speedup", 1.5)
    assert not facts[Verdict].holds
    assert result.again_from is None


def test_nothing_is_searched_again_where_nothing_was_removed(llama: Case, context: Context) -> None:
    result, facts = judged(llama, context, by_parameters, value=2.0, plan=Plan({}, predicted_cost=1.2))
    assert facts[Verdict].holds
    assert result.again_from is None


def test_a_speedup_is_over_the_dense_artifact_as_it_is_now(llama: Case, context: Context) -> None:
    machine = Machine(llama.program)
    _, facts = judged(llama, context, machine, "speedup", 1.5, later_pace=3.0)
    dense = by_parameters(llama.program)
    assert facts[Ceiling].value == pytest.approx(dense / 1.5)
    last = facts[Verdict].rounds[-1]
    assert last.ceiling == pytest.approx(3 * dense / 1.5)
    assert last.measured == pytest.approx(3 * truth(llama))
    assert facts[Verdict].holds == (truth(llama) <= dense / 1.5)


def test_a_correction_is_in_the_pace_of_the_baseline(llama: Case, context: Context) -> None:
    machine = Machine(llama.program, slim_excess=0.2)
    result, facts = judged(llama, context, machine, "speedup", 1.5, later_pace=3.0)
    assert result.again_from == "knapsack"
    assert facts[CostModel].constant == pytest.approx(0.3 + truth(llama) + 0.2 - 0.8)
    last = facts[Verdict].rounds[-1]
    assert last.predicted == pytest.approx(3 * 0.8)


@pytest.mark.parametrize(("kind", "value"), [("parameters", 1e5), ("bytes", 4e5)])
def test_other_budgets_are_counted(kind: BudgetKind, value: float, llama: Case, context: Context) -> None:
    _, facts = judged(llama, context, by_parameters, kind, value)
    slim = slim_program(llama.program, llama.structure, PLAN)
    measured = slim.parameter_count() if kind == "parameters" else slim.size_bytes() + 1000
    assert facts[Verdict].rounds[-1].measured == measured
    assert facts[Verdict].holds


def test_an_artifact_that_computes_something_else_is_refused(llama: Case, context: Context) -> None:
    with pytest.raises(VerificationError, match=r"artifact differs from the program by 0\.\d+ \(allowed: 0\.0001\)"):
        judged(llama, context, by_parameters, value=2.0, error=0.5)


def test_an_artifact_that_computes_no_numbers_is_refused(llama: Case, context: Context) -> None:
    with pytest.raises(VerificationError, match="differs from the program by nan"):
        judged(llama, context, by_parameters, value=2.0, error=float("nan"))


class Exact(FakeRunner):
    """Computes in double precision."""

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        super().__call__(inputs)
        exact = numbers(in_double(self.program))(inputs)
        return {name: (value + self.error).astype(np.float32) for name, value in exact.items()}


def test_what_rounding_alone_does_is_no_fault(llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.passes.fakes.FakeRunner", Exact)
    work = VerifyPass(tolerance=1e-12)
    _, facts = judged(llama, context, by_parameters, value=2.0, work=work)
    assert 1e-12 < facts[Verdict].error < 1e-5
    with pytest.raises(VerificationError, match="the artifact differs from the program by"):
        judged(llama, context, by_parameters, value=2.0, work=work, error=1e-3)


class Forgetful(FakeRunner):
    """Right about prompts, wrong about what follows them."""

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        past = inputs["past_key_values.1.key"].shape[2]
        outputs = super().__call__(inputs)
        return {name: value + 0.5 * (past > 0) for name, value in outputs.items()}


def test_a_decoder_is_compared_in_the_step_after_a_prompt(
    decoder: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Workload.parse("decode:1@12", 1)
    plan = replace(PLAN, units={**PLAN.units, "model.layers.1.self_attn.o_proj": (1,)})
    _, facts = judged(decoder, context, by_parameters, value=2.0, plan=plan, workload=decode)
    assert facts[Verdict].error == 0
    monkeypatch.setattr("tests.passes.fakes.FakeRunner", Forgetful)
    with pytest.raises(VerificationError, match="the artifact differs from the program by"):
        judged(decoder, context, by_parameters, value=2.0, plan=plan, workload=decode)
