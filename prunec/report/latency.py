"""Latencies of artifacts, as reports have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Latency of one artifact in milliseconds: median, 20th and 95th percentile of `samples` runs."""

    median_ms: float
    p20_ms: float
    p95_ms: float
    samples: int


@dataclass(frozen=True)
class Round:
    """One search and what its artifact then measured, in milliseconds."""

    predicted_ms: float
    measured_ms: float


@dataclass(frozen=True)
class Latency:
    """Measured before and after; predicted by the last search; the floor with everything removable gone.

    Attributes:
        speedup: dense over slim, the median over the rounds that timed both: what a budget is judged by. The ratio of
            the medians differs from it where the machine changed its pace.
    """

    dense: Measured
    slim: Measured
    speedup: float
    predicted_ms: float | None = None
    floor_ms: float | None = None
    rounds: tuple[Round, ...] = ()
