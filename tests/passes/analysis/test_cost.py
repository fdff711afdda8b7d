"""Cost tables are measured a sublayer at a time, shared, kept, and scaled to the whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from prunec.cost import tables
from prunec.cost.measure import Timing, monotone_table
from prunec.cost.target import Target
from prunec.cost.workload import Workload
from prunec.errors import MeasurementError
from prunec.facts import CostModel, Plan
from prunec.ir.program import Program
from prunec.passbase import Context
from prunec.passes.analysis.baseline import BaselinePass
from prunec.passes.analysis.cost import CostPass
from prunec.passes.rewrite.remove import slim_program
from tests.cost.test_counted import random_plan
from tests.passes.cases import Case
from tests.passes.fakes import FakeBackend, Formula, fake_backend


def proportional(program: Program) -> float:
    """Ten microseconds for every thousand parameters."""
    return program.parameter_count() / 1e5


def measure(
    case: Case,
    context: Context,
    formula: Formula = proportional,
    threads: int = 1,
    sizes: int = 8,
    workload: str = "encode:1x16",
) -> tuple[CostModel, type[FakeBackend]]:
    """The cost model, and the backend that it was measured with."""
    with fake_backend(formula) as backend:
        target = Target(backend(), Workload.parse(workload, threads), "speedup", 1.5, "slim.fake")
        facts = case.facts(target)
        for fact in BaselinePass().run(case.program, facts, context).facts:
            facts.put(fact)
        backend.programs.clear()
        (costs,) = CostPass(sizes).run(case.program, facts, context).facts
        assert isinstance(costs, CostModel)
        return costs, backend


@pytest.mark.parametrize("seed", range(3))
def test_costs_that_add_up_are_predicted_exactly(seed: int, case: Case, context: Context) -> None:
    costs, _ = measure(case, context)
    plan = random_plan(case.structure, seed)
    slim = slim_program(case.program, case.structure, plan)
    assert costs.unit == "ms"
    assert costs.scale == pytest.approx(1, rel=1e-3)
    assert costs.predict(case.structure, plan) == pytest.approx(proportional(slim), rel=1e-3)


def test_the_dense_prediction_is_the_dense_measurement_whatever_a_sublayer_costs_alone(
    case: Case, context: Context
) -> None:
    costs, _ = measure(case, context, lambda program: 0.5 + proportional(program))
    assert costs.predict(case.structure, Plan({})) == pytest.approx(0.5 + proportional(case.program))
    assert costs.scale < 1


def test_equal_sublayers_are_timed_once(llama: Case, context: Context) -> None:
    costs, backend = measure(llama, context)
    numbers = {path.stem.split("-")[1] for path in backend.programs}
    assert len(llama.structure.families) == 6
    assert len(numbers) == 2
    first, second = (costs.families[f"model.layers.{layer}.mlp.down_proj"] for layer in (0, 2))
    assert first == second


def states(program: Program) -> int:
    """How many numbers a program takes in its caches."""
    return sum(program.example[pair.past].numel() for pair in program.caches)


def test_a_group_costs_what_its_cached_states_do(decoder: Case, context: Context) -> None:
    def by_states(program: Program) -> float:
        return proportional(program) + (40 * states(program) / 1e4 if program.inputs[0].axes == {} else 1)

    costs, backend = measure(decoder, context, by_states, workload="decode:1@20")
    attentions = [program for program in backend.programs.values() if program.caches]
    assert sorted(states(program) for program in attentions) == [2 * 16 * 20, 2 * 2 * 16 * 20]
    assert all(len(program.outputs) == 3 for program in attentions)
    (_, one), (_, two) = costs.families["model.layers.0.self_attn.o_proj"]
    neurons = costs.families["model.layers.0.mlp.down_proj"][-1][1]
    assert two - one == pytest.approx(6144 / 1e5 + 40 * 640 / 1e4, rel=1e-3)
    assert two / neurons == pytest.approx((12288 / 1e5 + 40 * 1280 / 1e4) / (18496 / 1e5), rel=0.05)


def test_a_prompt_that_hands_on_its_cache_is_priced(decoder: Case, context: Context) -> None:
    costs, backend = measure(decoder, context, workload="prefill:1x16")
    empty = [program.example[pair.past] for program in backend.programs.values() for pair in program.caches]
    assert {tuple(past.shape) for past in empty} >= {(1, 1, 0, 16), (1, 2, 0, 16)}
    (_, one), (_, two) = costs.families["model.layers.0.self_attn.o_proj"]
    assert two - one == pytest.approx(6144 / 1e5, rel=1e-3)


def test_equal_attentions_with_a_cache_are_timed_once(decoder: Case, context: Context) -> None:
    _, backend = measure(decoder, context, workload="decode:2@20")
    assert len({path.stem.split("-")[1] for path in backend.programs}) == 2


def test_sizes_ascend_to_the_whole_family_and_a_small_family_has_all(bert: Case, context: Context) -> None:
    costs, _ = measure(bert, context, sizes=5)
    for family in bert.structure.families:
        kept = [size for size, _ in costs.families[family.name]]
        assert kept == sorted(set(kept))
        assert kept[-1] == family.units
        assert kept[0] == 1
        assert family.kind != "head" or kept == [1, 2, 3, 4]
        assert all(low <= high for (_, low), (_, high) in itertools.pairwise(costs.families[family.name]))


def test_tables_outlive_the_run_on_the_same_terms(llama: Case, context: Context, tmp_path: Path) -> None:
    first, _ = measure(llama, context)
    second, backend = measure(llama, context)
    assert not backend.programs
    assert second == first
    _, other_threads = measure(llama, context, threads=2)
    assert other_threads.programs


def test_tables_of_another_pace_are_timed_again(llama: Case, context: Context) -> None:
    measure(llama, context, lambda program: 1.5 * proportional(program))
    costs, backend = measure(llama, context)
    assert backend.programs
    assert costs.scale == pytest.approx(1, rel=1e-3)
    costs, backend = measure(llama, context, lambda program: 1.1 * proportional(program))
    assert not backend.programs
    assert costs.scale == pytest.approx(1.1, rel=1e-3)


@pytest.mark.parametrize("lost", [0, 1])
def test_kept_tables_of_another_pace_are_not_mixed_with_new_ones(lost: int, llama: Case, context: Context) -> None:
    measure(llama, context, lambda program: 1.5 * proportional(program))
    sorted((context.cache / "cost").iterdir())[lost].unlink()
    costs, _ = measure(llama, context)
    assert costs.scale == pytest.approx(1, rel=1e-3)
    costs, backend = measure(llama, context)
    assert not backend.programs
    assert costs.scale == pytest.approx(1, rel=1e-3)


def test_one_missing_table_is_timed_alone_at_the_same_pace(llama: Case, context: Context) -> None:
    _, whole = measure(llama, context)
    emitted = len(whole.programs)
    sorted((context.cache / "cost").iterdir())[0].unlink()
    second, backend = measure(llama, context, lambda program: 1.05 * proportional(program))
    assert 0 < len(backend.programs) < emitted
    assert second.scale == pytest.approx(1.03, abs=0.02)


def test_noise_that_swamps_a_table_is_refused(llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "TOLERATED", 0.25)
    toggle = itertools.cycle([1.0, 3.0])
    with pytest.raises(MeasurementError, match="too noisy"):
        measure(llama, context, lambda program: next(toggle) * (1 + proportional(program)))


def test_a_moment_of_noise_is_timed_over(llama: Case, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noisy_at_first(what: str, timings: Sequence[Timing], tolerated: float) -> tuple[float, ...]:
        asked.append(what)
        if len(asked) == 1:
            raise MeasurementError(f"the {what} is too noisy")
        return monotone_table(what, timings, tolerated)

    monkeypatch.setattr(tables, "monotone_table", noisy_at_first)
    costs, _ = measure(llama, context)
    assert asked[0] == asked[1]
    assert len(asked) == 3
    assert costs.scale == pytest.approx(1, rel=1e-3)


def test_a_budget_of_bytes_counts_the_file_and_times_nothing(llama: Case, context: Context) -> None:
    with fake_backend(proportional) as backend:
        facts = llama.facts(Target(backend(), Workload("encode", 1, 16, 1), "bytes", 2e5, "slim.fake"))
        for fact in BaselinePass().run(llama.program, facts, context).facts:
            facts.put(fact)
        backend.programs.clear()
        (costs,) = CostPass().run(llama.program, facts, context).facts
        assert isinstance(costs, CostModel)
        assert costs.predict(llama.structure, Plan({})) == pytest.approx(llama.program.size_bytes() + 1000)
        assert not backend.programs
