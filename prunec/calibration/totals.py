"""Figures over batches: what an objective reports of a model and of the dense one, added up, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

from scipy.stats import binomtest
from torch import Tensor

from prunec.calibration.objective import Objective
from prunec.facts import Quality

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Totals:
    """Sums over batches: the report of the dense and of the slim model, the slim one's damage, items of each."""

    dense: float = 0.0
    slim: float = 0.0
    items: float = 0.0
    damage: float = 0.0
    damage_items: float = 0.0

    @staticmethod
    def of(objective: Objective, outputs: Tensors, reference: Tensors, batch: Tensors) -> Totals:
        """Of one batch, whose outputs by the dense model are `reference`."""
        before, items = objective.report(reference, reference, batch)
        after, _ = objective.report(outputs, reference, batch)
        return Totals(before, after, items, *objective.damage(outputs, reference, batch))

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def quality(self, objective: Objective) -> Quality:
        """The means; of hits, how sure they are."""
        means = self.dense / self.items, self.slim / self.items, self.damage / self.damage_items
        quality = Quality(objective.report_unit, *means, int(self.items))
        if not objective.counts_hits:
            return quality
        return replace(quality, dense_range=wilson(self.dense, self.items), slim_range=wilson(self.slim, self.items))


def wilson(hits: float, items: float) -> tuple[float, ...]:
    """The 95 % interval of a share of independent items (Wilson 1927): low and high."""
    interval = binomtest(round(hits), round(items)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
