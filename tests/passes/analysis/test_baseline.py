"""The baseline settles the budget, or refuses it before any long work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prunec.cost.baseline import floor_program
from prunec.cost.target import Baseline, Target
from prunec.cost.workload import Workload
from prunec.errors import BudgetError
from prunec.facts import Ceiling, Pin, Plan, Structure
from prunec.options import NO_BUDGET, BudgetKind
from prunec.passbase import Context, Facts, PassResult
from prunec.passes.analysis.baseline import BaselinePass
from tests.passes.cases import Case
from tests.passes.fakes import FakeBackend, by_parameters, fake_backend

WORKLOAD = Workload("prefill", 1, 16, 1)


@pytest.fixture
def backend() -> Iterator[type[FakeBackend]]:
    with fake_backend(by_parameters) as found:
        yield found


def run(case: Case, backend: type[FakeBackend], kind: BudgetKind, value: float, context: Context) -> PassResult:
    target = Target(backend(), WORKLOAD, kind, value, "slim.fake")
    return BaselinePass().run(case.program, case.facts(target), context)


def given(result: PassResult) -> Facts:
    facts = Facts()
    for fact in result.facts:
        facts.put(fact)
    return facts


def test_it_times_the_dense_program_and_the_floor(case: Case, backend: type[FakeBackend], context: Context) -> None:
    facts = given(run(case, backend, "speedup", 1.25, context))
    bare = floor_program(case.program, case.structure)
    assert facts[Baseline].dense.median == pytest.approx(by_parameters(case.program))
    assert facts[Baseline].floor.median == pytest.approx(by_parameters(bare))
    assert facts[Baseline].dense_bytes == case.program.size_bytes() + 1000
    assert facts[Baseline].floor_bytes == bare.size_bytes() + 1000
    assert facts[Ceiling] == Ceiling("ms", facts[Baseline].dense.median / 1.25)


def test_without_a_budget_both_are_timed_and_nothing_is_refused(
    case: Case, backend: type[FakeBackend], context: Context
) -> None:
    result = run(case, backend, "none", NO_BUDGET.value, context)
    facts = given(result)
    assert result.skip_to is None
    assert Plan not in facts
    assert facts[Ceiling] == Ceiling("ms", float("inf"))
    assert facts[Baseline].dense.median == pytest.approx(by_parameters(case.program))


def test_the_floor_keeps_nothing_that_can_go(llama: Case) -> None:
    bare = floor_program(llama.program, llama.structure)
    assert set(bare.tensor_names()) == {"model.embed_tokens.weight", "model.norm.weight"}


@pytest.mark.parametrize(
    ("kind", "value", "unit"), [("latency_ms", 1.0, "ms"), ("parameters", 6e4, "parameters"), ("bytes", 3e5, "bytes")]
)
def test_the_ceiling_is_the_budget(
    kind: BudgetKind, value: float, unit: str, llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    result = run(llama, backend, kind, value, context)
    assert given(result)[Ceiling] == Ceiling(unit, value)
    assert result.skip_to is None


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("latency_ms", 0.25, "budget of 0.25 ms is below the floor of 0.29 ms"),
        ("speedup", 8, r"budget of 0.15 ms is below the floor of 0.29 ms, .* \(dense: 1.22 ms\)"),
        ("parameters", 10_000, "0.01M parameters is below the floor of 0.01926M parameters"),
        ("bytes", 50_000, "budget of 0.05 MB is below the floor of 0.07806 MB"),
    ],
)
def test_a_budget_below_the_floor_is_refused_with_figures(
    kind: BudgetKind, value: float, message: str, llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    with pytest.raises(BudgetError, match=message):
        run(llama, backend, kind, value, context)


def test_a_hopeless_latency_is_refused_before_the_dense_program_is_emitted(
    llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    with pytest.raises(BudgetError):
        run(llama, backend, "latency_ms", 0.25, context)
    assert [path.stem for path in backend.programs] == ["floor"]


@pytest.mark.parametrize(("kind", "value"), [("latency_ms", 2.0), ("parameters", 2e5), ("bytes", 1e6)])
def test_a_dense_program_within_the_budget_is_emitted_as_it_is(
    kind: BudgetKind, value: float, llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    result = run(llama, backend, kind, value, context)
    assert result.skip_to == "emit"
    assert given(result)[Plan].is_empty()


def test_what_a_file_holds_besides_weights_counts_as_bytes(
    llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    assert run(llama, backend, "bytes", llama.program.size_bytes() + 500, context).skip_to is None


def test_a_model_with_nothing_to_prune_is_refused_and_says_why(
    llama: Case, backend: type[FakeBackend], context: Context
) -> None:
    facts = llama.facts(Target(backend(), WORKLOAD, "speedup", 2, "slim.fake"))
    facts.put(Structure((), (), (Pin("linear", "its output leaves the model"), Pin("relu", "x"))))
    with pytest.raises(BudgetError, match=r"nothing to prune.*linear: its output leaves the model \(and 1 more pin"):
        BaselinePass().run(llama.program, facts, context)
