"""`uniform`: of every family the same share goes, the lowest scores first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.allocation import lowest
from prunec.cost.line_pass import Gone, LinePass
from prunec.facts import CostModel, Scores, Structure

SHARES = 1000
"""Shares are tried in steps of one in so many."""


@dataclass(frozen=True)
class UniformPass(LinePass):
    """Remove the same share of every family by the scores, the least that meets the budget by the cost tables.

    How most criteria are published: a ratio for every layer, as in the structured form of Wanda (An et al. 2024,
    "FLAP") and in Ma et al. 2023, "LLM-Pruner", which besides spares the first and the last layers. No damage is
    measured, no sublayer goes whole, and every family keeps what it must.
    """

    name: ClassVar[str] = "uniform"

    def line(self, structure: Structure, scores: Scores, costs: CostModel) -> tuple[Callable[[int], Gone], int]:
        """One in `SHARES` of every family a step."""
        return lambda step: uniform(structure, costs, scores, step / SHARES), SHARES


def uniform(structure: Structure, costs: CostModel, scores: Scores, share: float) -> dict[str, tuple[int, ...]]:
    """By family, the lowest-scored `share` of every one that has a price, as far as it can spare them."""
    counts = {
        family.name: min(round(share * family.units), family.spare)
        for family in structure.families
        if family.name in costs.families
    }
    return {name: lowest(scores, name, count) for name, count in counts.items() if count}
