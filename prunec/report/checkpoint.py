"""What a report says of a checkpoint, and of layers that are alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was written in the place of the file that was timed.

    Attributes:
        stock: whether transformers' `from_pretrained` loads it; `why` not, where prunec alone does.
        error: largest difference of an output, loaded again, from the slim program, over the largest output (or 1).
        tolerance: what was allowed.
        timed_on: the runtime of the file that was timed, of the same weights.
    """

    stock: bool
    why: str
    error: float
    tolerance: float
    timed_on: str


@dataclass(frozen=True)
class Uniformity:
    """What it cost that all layers keep the same.

    Attributes:
        damage: predicted for the plan; `unit` is what it is measured in.
        free_damage: predicted for the plan that the same budget would have had without.
    """

    damage: float
    free_damage: float
    unit: str
