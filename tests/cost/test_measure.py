"""Timing by turns, robust figures, monotone tables that refuse noise, and requests of a workload's shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from prunec.cost.measure import Timing, interleaved, monotone, monotone_table, noise, paired_ratio, workload_inputs
from prunec.cost.workload import Workload
from prunec.errors import MeasurementError
from prunec.frontends.huggingface import load
from prunec.ir.program import Program
from tests.programs import program_from_module

MILLISECONDS = st.floats(0.01, 1e4)


class Clock:
    """A clock that only runners move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def runner(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.log.append(name)
            self.now += seconds

        return run


def time_two(clock: Clock, **options: float) -> dict[str, Timing]:
    runners = {"slow": clock.runner("slow", 0.25), "quick": clock.runner("quick", 0.125)}
    return interleaved(runners, clock=clock, **options)  # type: ignore[arg-type]


def test_each_is_timed_by_itself() -> None:
    timings = time_two(Clock(), seconds=10)
    assert set(timings["slow"].samples_ms) == {250.0}
    assert set(timings["quick"].samples_ms) == {125.0}


def test_rounds_take_turns_at_going_first() -> None:
    clock = Clock()
    time_two(clock, warmup=1, max_rounds=2)
    assert clock.log == ["slow", "quick", "slow", "quick", "quick", "slow"]


@pytest.mark.parametrize(
    ("options", "rounds"),
    [({"seconds": 3.0}, 8), ({"seconds": 0.1, "min_rounds": 4}, 4), ({"seconds": 99.0, "max_rounds": 7}, 7)],
)
def test_rounds_end_by_time_within_bounds(options: dict[str, float], rounds: int) -> None:
    assert time_two(Clock(), **options)["slow"].count == rounds


def test_nothing_to_time_is_no_timing() -> None:
    assert interleaved({}) == {}


@given(st.lists(MILLISECONDS, min_size=1))
def test_figures_are_in_order(samples: list[float]) -> None:
    timing = Timing(tuple(samples))
    assert min(samples) <= timing.low <= timing.median <= timing.p95 <= max(samples)
    assert timing.spread >= 0


def test_one_interruption_moves_nothing_but_the_tail() -> None:
    timing = Timing((10.0,) * 19 + (500.0,))
    assert (timing.low, timing.median, timing.spread) == (10.0, 10.0, 0.0)
    assert timing.p95 > 10


@given(st.lists(st.tuples(MILLISECONDS, st.floats(1, 50)), min_size=3), st.floats(0.1, 10))
def test_a_paired_ratio_does_not_see_the_machine_change_its_pace(rounds: list[tuple[float, float]], by: float) -> None:
    one = Timing(tuple(cost * pace for cost, pace in rounds))
    other = Timing(tuple(cost * pace * by for cost, pace in rounds))
    assert paired_ratio(other, one) == pytest.approx(by)


def test_timings_of_different_rounds_are_not_paired() -> None:
    with pytest.raises(MeasurementError, match="3 and 2 rounds"):
        paired_ratio(Timing((1.0, 1.0, 1.0)), Timing((1.0, 1.0)))


@given(st.lists(MILLISECONDS, min_size=1, max_size=30))
def test_monotone_never_falls_and_keeps_the_sum(costs: list[float]) -> None:
    fitted = monotone(costs)
    assert list(fitted) == sorted(fitted)
    assert sum(fitted) == pytest.approx(sum(costs))


@given(st.lists(MILLISECONDS, min_size=1, max_size=30))
def test_what_is_monotone_stays(costs: list[float]) -> None:
    assert monotone(sorted(costs)) == pytest.approx(tuple(sorted(costs)))


def steady(costs: list[float], jitter: float = 0.0) -> list[Timing]:
    """A timing per cost, whose rounds alternate by `jitter` around it."""
    return [Timing((cost + jitter, cost - jitter) * 20) for cost in costs]


@given(st.lists(st.floats(1, 100), min_size=2, max_size=10, unique=True))
def test_a_clean_table_is_kept_as_it_is(costs: list[float]) -> None:
    costs = sorted(costs)
    assume(costs[-1] - costs[0] > 1e-3)
    assert noise(steady(costs)) == 0
    assert monotone_table("table", steady(costs), 0.25) == pytest.approx(tuple(costs))


@given(st.floats(0, 1), st.floats(1, 100))
def test_noise_is_a_share_of_the_span_between_every_other_round(share: float, span: float) -> None:
    found = noise(steady([200.0, 200.0 + span], jitter=share * span / 2))
    assert found == pytest.approx(share, abs=1e-9)


def test_a_table_of_noise_is_refused_with_what_to_do() -> None:
    generator = np.random.default_rng(0)
    timings = [Timing(tuple(generator.lognormal(2, 0.5, 20))) for _ in range(8)]
    with pytest.raises(MeasurementError, match=r"the cost table of x is too noisy.*noise is no less than.*--threads 1"):
        monotone_table("cost table of x", timings, 0.25)


def test_a_refusal_says_how_noisy() -> None:
    with pytest.raises(MeasurementError, match=r"took 4\.5 to 5\.25 ms, and noise is 33% of the difference"):
        monotone_table("table", [Timing((4.5,) * 9), Timing((5.75, 5.25) * 5)], 0.25)


def test_a_table_out_of_order_is_refused() -> None:
    with pytest.raises(MeasurementError):
        monotone_table("table", steady([1.0, 5.0, 2.0, 6.0]), 0.25)


def test_a_table_that_tells_nothing_apart_is_refused() -> None:
    with pytest.raises(MeasurementError):
        monotone_table("table", steady([5.0, 5.0], jitter=0.1), 0.25)


def test_one_size_is_a_table() -> None:
    assert monotone_table("table", steady([3.0]), 0.25) == (3.0,)


class Everything(nn.Module):
    def forward(self, input_ids: Tensor, attention_mask: Tensor, segment: Tensor, pixels: Tensor) -> Tensor:
        return (input_ids * attention_mask + segment).sum() + pixels.sum()


@pytest.fixture(scope="module")
def program() -> Program:
    integers = torch.tensor([[5, 9, 7], [6, 5, 8]])
    example = {
        "input_ids": integers,
        "attention_mask": (integers > 6).long(),
        "segment": torch.zeros_like(integers),
        "pixels": torch.rand(2, 3, 4),
    }
    text = {0: "batch", 1: "sequence"}
    axes = {"input_ids": text, "attention_mask": text, "segment": text, "pixels": {0: "batch"}}
    return program_from_module(Everything(), example, axes)


def test_a_request_has_the_workloads_shape_and_types(program: Program) -> None:
    arrays = workload_inputs(program, Workload("encode", 4, 50, 1))
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {"input_ids": (4, 50), "attention_mask": (4, 50), "segment": (4, 50), "pixels": (4, 3, 4)}
    assert [arrays[name].dtype for name in ("input_ids", "pixels")] == [np.dtype("int64"), np.dtype("float32")]


def test_a_request_holds_what_the_program_takes(program: Program) -> None:
    arrays = workload_inputs(program, Workload("encode", 4, 50, 1))
    assert set(np.unique(arrays["input_ids"])) == {5, 6, 7, 8, 9}
    assert (arrays["attention_mask"] == 1).all()
    assert (arrays["segment"] == 0).all()


def test_a_request_of_decoding_brings_a_past(tiny_llama_dir: Path) -> None:
    program = load(tiny_llama_dir, with_cache=True).program
    arrays = workload_inputs(program, Workload.parse("decode:3@20", 1))
    shapes = [arrays[name].shape for name in ("input_ids", "attention_mask", "past_key_values.2.value")]
    assert shapes == [(3, 1), (3, 21), (3, 2, 20, 16)]
    assert arrays["position_ids"].tolist() == [[20]] * 3
    prompt = workload_inputs(program, Workload.parse("prefill:1x5", 1))
    assert prompt["past_key_values.0.key"].shape == (1, 2, 0, 16)
    assert prompt["position_ids"].tolist() == [[0, 1, 2, 3, 4]]


def test_ids_span_a_known_vocabulary(program: Program) -> None:
    ids = workload_inputs(program, Workload("encode", 4, 500, 1), vocabulary=30)["input_ids"]
    assert (ids.min(), ids.max()) == (0, 29)


def test_a_seed_makes_a_request(program: Program) -> None:
    first, again, other = (workload_inputs(program, Workload("encode", 1, 9, 1), seed=seed) for seed in (1, 1, 2))
    assert (first["input_ids"] == again["input_ids"]).all()
    assert (first["pixels"] != other["pixels"]).any()
