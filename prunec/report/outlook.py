"""What a report says of the budgets beside the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A plan: its predicted latency, and the sum of the damages of what goes."""

    latency_ms: float
    damage: float


@dataclass(frozen=True)
class Outlook:
    """The solution path behind a plan, from the floor to the dense model.

    Attributes:
        unit: of damages, which are measured one place at a time and added up.
        chosen: the plan that was made, predicted likewise.
        points: ascending in latency; the last is the dense model.
    """

    unit: str
    chosen: Point
    points: tuple[Point, ...]
