"""Points that compiles are compared with and none of them made, such as the dense model in another number format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Rival:
    """One point.

    Attributes:
        name: what it is called.
        latency_ms: median of a request, in milliseconds, on the same machine and workload.
        losses: by the name of the text, in the unit of the reports.
    """

    name: str
    latency_ms: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Rivals:
    """Points in a file: `{"points": [{"name": ..., "latency_ms": ..., "losses": {...}}]}`."""

    points: tuple[Rival, ...]
