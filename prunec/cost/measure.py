"""Timing things against each other: a request to run, interleaved rounds, robust figures, monotone tables."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import isotonic_regression

from prunec.cost.workload import Workload
from prunec.errors import MeasurementError
from prunec.ir.program import PAST_AXIS, Program, axis_size

LOW = 0.2
"""The quantile that stands for an undisturbed run: low enough to miss most interruptions, no single lucky run."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """How long something took.

    Attributes:
        samples_ms: one figure per round, in the order of the rounds, milliseconds.
    """

    samples_ms: tuple[float, ...]

    @property
    def count(self) -> int:
        """How many rounds there were."""
        return len(self.samples_ms)

    @property
    def median(self) -> float:
        """The middle sample, milliseconds."""
        return self.quantile(0.5)

    @property
    def low(self) -> float:
        """What an undisturbed run takes, milliseconds."""
        return self.quantile(LOW)

    @property
    def p95(self) -> float:
        """What one run in twenty exceeds, milliseconds."""
        return self.quantile(0.95)

    @property
    def spread(self) -> float:
        """Width of the middle half of the samples, as a share of the median."""
        return (self.quantile(0.75) - self.quantile(0.25)) / self.median

    def quantile(self, share: float) -> float:
        """The figure that `share` of the samples stay below, milliseconds."""
        return float(np.quantile(self.samples_ms, share))

    def halves(self) -> tuple[Timing, Timing]:
        """Every other round each: what two shorter measurements at the same time would have seen."""
        return Timing(self.samples_ms[::2]), Timing(self.samples_ms[1::2])


def interleaved(
    runners: Mapping[str, Callable[[], object]],
    *,
    min_rounds: int = 5,
    max_rounds: int = 200,
    seconds: float = 2.0,
    warmup: int = 2,
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Time `runners` by turns, so that what slows the machine down for a while slows all of them.

    A round runs each once, starting with another one each time.

    Args:
        runners: what to time, by name.
        min_rounds: rounds that are run however long they take.
        max_rounds: rounds after which it is enough.
        seconds: after how long to stop, between the two.
        warmup: runs of each that are not timed.
        clock: seconds from any start.
    """
    names = list(runners)
    for _ in range(warmup):
        for name in names:
            runners[name]()
    samples: dict[str, list[float]] = {name: [] for name in names}
    start = clock()
    for done in range(max_rounds):
        if done >= min_rounds and clock() - start >= seconds:
            break
        turn = done % len(names) if names else 0
        for name in [*names[turn:], *names[:turn]]:
            before = clock()
            runners[name]()
            samples[name].append((clock() - before) * 1e3)
    return {name: Timing(tuple(values)) for name, values in samples.items()}


def paired_ratio(numerator: Timing, denominator: Timing) -> float:
    """The median over rounds of one timing by the other: drift of the machine cancels out.

    Raises:
        MeasurementError: they were not timed in the same rounds.
    """
    if numerator.count != denominator.count or not numerator.count:
        raise MeasurementError(
            f"{numerator.count} and {denominator.count} rounds cannot be paired", "time both in one `interleaved`"
        )
    return float(np.median(np.divide(numerator.samples_ms, denominator.samples_ms)))


def monotone(costs: Sequence[float]) -> tuple[float, ...]:
    """The nearest figures (least squares) that never fall; `costs` are in the order of the sizes they are for."""
    return tuple(float(cost) for cost in isotonic_regression(np.asarray(costs, float)).x)


def monotone_table(what: str, timings: Sequence[Timing], tolerated: float) -> tuple[float, ...]:
    """A cost per size, milliseconds, that never falls from one size to the next.

    Args:
        what: what was measured, for the message.
        timings: one per size, sizes ascending, all timed in turn.
        tolerated: the largest noise that is not refused, as `noise` counts it.

    Raises:
        MeasurementError: the timings are noisier than that.
    """
    lows = [timing.low for timing in timings]
    found = noise(timings) if len(timings) > 1 else 0.0
    if found > tolerated:
        share = f"{found:.0%} of" if found < 1 else "no less than"
        raise MeasurementError(
            f"the {what} is too noisy to use: its {len(timings)} sizes took {min(lows):.3g} to {max(lows):.3g} ms, and "
            f"noise is {share} the difference between its ends (at most {tolerated:.0%} is tolerated)",
            "close other programs, give --threads 1, or try again",
        )
    return monotone(lows)


def noise(timings: Sequence[Timing]) -> float:
    """How noisy a table is, as a share of what it tells apart: 0 is clean, 1 as much noise as signal.

    The larger of two signs: how far a figure had to be moved for the table to be monotone, and how far the figures
    of every other round lie from those of the rounds between (the median over sizes).
    """
    lows = np.array([timing.low for timing in timings])
    costs = np.array(monotone(lows.tolist()))
    moved = float(np.abs(costs - lows).max())
    halves = [timing.halves() for timing in timings if timing.count > 1]
    apart = float(np.median([abs(even.low - odd.low) for even, odd in halves])) if halves else 0.0
    span, worst = float(costs[-1] - costs[0]), max(moved, apart)
    return 0.0 if worst == 0 else worst / span if span > 0 else float("inf")


def workload_inputs(
    program: Program, workload: Workload, *, vocabulary: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """One request of the workload's shape, as arrays by input name.

    Masks are all ones: every token counts. Positions go on from the past. Token ids are drawn below `vocabulary` where
    that is known; other integers between the smallest and the largest of the example, which the program is known to
    take; floats, cached ones too, from a standard normal.
    """
    generator = np.random.default_rng(seed)
    arrays = {}
    for item in program.inputs:
        example = program.example[item.name]
        shape = [_size(item.axes.get(axis), size, workload) for axis, size in enumerate(example.shape)]
        dtype = torch.empty(0, dtype=item.dtype).numpy().dtype
        if item.dtype == torch.bool or "mask" in item.name:
            arrays[item.name] = np.ones(shape, dtype)
        elif item.name == program.positions:
            arrays[item.name] = np.broadcast_to(np.arange(workload.past, workload.tokens), shape).astype(dtype)
        elif item.dtype.is_floating_point:
            arrays[item.name] = generator.standard_normal(shape).astype(dtype)
        else:
            lowest, highest = int(example.min()), int(example.max())
            if vocabulary is not None and item.name.endswith("input_ids"):
                lowest, highest = 0, vocabulary - 1
            arrays[item.name] = generator.integers(lowest, highest + 1, shape).astype(dtype)
    return arrays


def _size(axis: str | None, fixed: int, workload: Workload) -> int:
    """The size of an axis in a request: only named axes are the workload's to say."""
    if axis is None:
        return fixed
    known = {"batch": workload.batch, PAST_AXIS: workload.past}
    return axis_size(axis, defaultdict(lambda: workload.sequence, known))
