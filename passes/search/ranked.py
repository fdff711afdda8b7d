"""`ranked`: the units of all families in one order by their scores, the lowest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prunec.cost.line_pass import Gone, LinePass
from prunec.facts import CostModel, Scores, Structure


@dataclass(frozen=True)
class RankedPass(LinePass):
    """Remove the lowest-scored units of the whole model, as few as meet the budget by the cost tables.

    The adaptive structure search of An et al. 2024, "FLAP": there scores are standardised layer by layer, which the
    criterion `flap-standard` does, and a head counts as many neurons as have its parameters; here every unit costs
    what the tables say. Scores are compared between families as they are, so name a criterion whose scores can be,
    such as that one, or `taylor` and `fisher`, which are of one loss. No damage is measured, no sublayer goes whole,
    and every family keeps what it must of its highest.
    """

    name: ClassVar[str] = "ranked"

    def line(self, structure: Structure, scores: Scores, costs: CostModel) -> tuple[Callable[[int], Gone], int]:
        """One unit a step."""
        ranking = _Ranking(structure, scores, costs)
        return ranking.first, len(ranking.order)


class _Ranking:
    """The units that have a price and can be spared, the lowest score first; of equals those of the earlier family.

    Attributes:
        names: of the families.
        places, units: `[units]`, each one's family, by its place in `names`, and its number there.
        order: `[units]`, which goes first, which second and so on.
    """

    def __init__(self, structure: Structure, scores: Scores, costs: CostModel) -> None:
        families = [family for family in structure.families if family.name in costs.families]
        self.names = [family.name for family in families]
        going = [np.argsort(scores.units[family.name], kind="stable")[: family.spare] for family in families]
        self.places = np.repeat(np.arange(len(families)), [len(own) for own in going])
        self.units = np.concatenate(going) if going else np.zeros(0, dtype=np.int64)
        values = [scores.units[name][own] for name, own in zip(self.names, going, strict=True)]
        self.order = np.argsort(np.concatenate(values) if values else np.zeros(0), kind="stable")

    def first(self, count: int) -> Gone:
        """By family, what goes among the first `count`."""
        taken = self.order[:count]
        found = {
            name: tuple(np.sort(self.units[taken[self.places[taken] == place]]).tolist())
            for place, name in enumerate(self.names)
        }
        return {name: units for name, units in found.items() if units}
