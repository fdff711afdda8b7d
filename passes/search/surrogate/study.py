"""Plans that spend a budget: sampled, measured, predicted, and the best of them measured again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from prunec.cost.allocation import Allocation, summed
from prunec.facts import Ceiling, CostModel, Plan, Scores, Structure
from prunec.passbase import Progress

from .predictor import fitted, held_out_rank

SPREAD = 1.0
"""Standard deviation of the logarithm of the weights that plans are drawn by."""
NEAR = 0.3
"""The same, around the weights of the best plan that was measured."""
LEAST_DAMAGE = 1e-9


def even(structure: Structure, scores: Scores, costs: CostModel, sizes: int) -> Allocation:
    """Choices whose summed scores come to what they save, family by family: a start that prefers no place.

    Scores of different families need not be comparable then.
    """
    units = {}
    for family in structure.families:
        own = scores.units.get(family.name)
        if own is not None and family.name in costs.families:
            positive = own.clip(min=0) + np.finfo(np.float64).tiny
            units[family.name] = positive / positive.sum() * max(costs.family(family.name, family.units), 0.0)
    scaled = replace(scores, units={**{name: np.zeros_like(own) for name, own in scores.units.items()}, **units})
    return Allocation.of(structure, scaled, summed(structure, scaled), costs, sizes)


class Study:
    """Plans that spend the budget, each by weights of the places, and what those that were measured lost.

    Attributes:
        names: of the places: families, then sublayers that may go.
        weights: `[plans][places]`, by which each measured plan was chosen.
        rows: `[plans][features]`.
        damages: what was measured of each.
    """

    def __init__(
        self, allocation: Allocation, ceiling: Ceiling, margin: float, draws: np.random.Generator, progress: Progress
    ) -> None:
        self.allocation, self.ceiling, self.margin, self.draws = allocation, ceiling, margin, draws
        self.progress = progress
        self.names = [*dict.fromkeys(option.family for option in allocation.options), *allocation.drops]
        self.weights: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []
        self.damages: list[float] = []

    def plan(self, weights: np.ndarray) -> Plan:
        """The choice of the knapsack where places weigh `weights`."""
        weighed = self.allocation.weighed(dict(zip(self.names, weights.tolist(), strict=True)))
        return weighed.plan(self.ceiling, self.margin)

    def features(self, plan: Plan) -> np.ndarray:
        """The share of each place that goes, and its square."""
        structure = self.allocation.structure
        gone = structure.gone_with(plan.sublayers)
        shares = []
        for name in self.names:
            if name in self.allocation.drops:
                shares.append(float(name in plan.sublayers))
            else:
                removed = len(plan.units.get(name, ())) / structure.family(name).units
                shares.append(1.0 if name in gone else removed)
        return np.concatenate([shares, np.square(shares)])

    def sample(self, measure: Callable[[Plan], float], count: int) -> None:
        """Measure the choices for `count` random weights."""
        for number in range(count):
            weights = np.exp(SPREAD * self.draws.standard_normal(len(self.names)))
            plan = self.plan(weights)
            self.weights.append(weights)
            self.rows.append(self.features(plan))
            self.damages.append(measure(plan))
            self.progress.item("measuring sampled plans", number + 1, count)

    def best(self, confirm: Callable[[Plan], float], candidates: int, verified: int) -> tuple[np.ndarray, str]:
        """The weights of the plan that loses least by `confirm`, among the best predicted and the best sample."""
        logs = np.log(np.maximum(self.damages, LEAST_DAMAGE))
        rows = np.array(self.rows)
        predict, rank = fitted(rows, logs), held_out_rank(rows, logs)
        leader = self.weights[int(logs.argmin())]
        drawn = [leader]
        for number in range(candidates):
            noise = self.draws.standard_normal(len(self.names))
            drawn.append(leader * np.exp(NEAR * noise) if number % 2 else np.exp(SPREAD * noise))
        plans = [self.plan(weights) for weights in drawn]
        order = np.argsort(predict(np.array([self.features(plan) for plan in plans])), kind="stable")
        chosen = [0, *[int(place) for place in order if place][:verified]]
        losses = {place: confirm(plans[place]) for place in chosen}
        found = min(losses, key=losses.__getitem__)
        log = f"{len(self.damages)} plans measured, prediction of a held-out quarter ranks {rank:.2f}"
        return drawn[found], f"{log}, best sample {losses[0]:.4g}"
