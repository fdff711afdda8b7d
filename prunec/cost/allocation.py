"""The choice under a budget: a size for every family, or no sublayer at all, with the least summed damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import csr_array, lil_array

from prunec.cost.integer import least
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Damage, Family, Plan, Scores, Structure

SIZES = 32
"""How many sizes of a large family are considered, where nothing else is said."""
MARGIN = 0.01
"""Share of a latency budget that is kept free: what one measurement of the same artifact differs from the next by."""


@dataclass(frozen=True)
class Option:
    """One choice for one family: keep `kept` units, at a cost in each of its sublayers."""

    family: str
    kept: int
    cost: float
    damage: float


@dataclass(frozen=True)
class Allocation:
    """A multiple-choice knapsack: what can be chosen, what each choice costs and what it loses.

    Attributes:
        structure, scores, costs: what the choices are of; scores say which units of a family go first.
        options: every size of every priced family.
        drops: per sublayer that may go whole, the damage of that.
    """

    structure: Structure
    scores: Scores
    costs: CostModel
    options: tuple[Option, ...]
    drops: Mapping[str, float]

    @staticmethod
    def of(structure: Structure, scores: Scores, damage: Damage, costs: CostModel, sizes: int) -> Allocation:
        """Every size of every priced family, and the damage of bypassing each sublayer whose families are priced.

        A family whose units have no scores stays whole. A large family has `sizes` sizes; a small one has each.
        """
        options: list[Option] = []
        for family in structure.families:
            if family.name not in costs.families:
                continue
            whole = family.name not in scores.units
            curve = np.zeros(1) if whole else damage_curve(structure, family, scores, damage)
            step = max(1, family.units // sizes)
            smaller = () if whole else range(max(step, family.least), family.units, step)
            for kept in sorted({*smaller, family.units}):
                cost = costs.family(family.name, kept)
                options.append(Option(family.name, kept, cost, float(curve[family.units - kept])))
        # A family that several sublayers share stays as long as one does: without the others it is read less often,
        # which saves time, but it is stored as before.
        timed = costs.unit == "ms"
        priced = {option.family for option in options if timed or len(structure.sublayers_of(option.family)) == 1}
        drops = {
            sublayer.name: damage.sublayers[sublayer.name]
            for sublayer in structure.sublayers
            if sublayer.families and set(sublayer.families) <= priced
        }
        return Allocation(structure, scores, costs, tuple(options), drops)

    def weighed(self, weights: Mapping[str, float]) -> Allocation:
        """The same choices, the damage in each family and of each sublayer times its weight (1 where it has none)."""
        options = tuple(replace(item, damage=item.damage * weights.get(item.family, 1.0)) for item in self.options)
        drops = {name: value * weights.get(name, 1.0) for name, value in self.drops.items()}
        return replace(self, options=options, drops=drops)

    def plan(self, ceiling: Ceiling, margin: float) -> Plan:
        """The plan of least summed damage within `ceiling`.

        Args:
            ceiling: the budget.
            margin: share of a latency budget that is kept free where it can be.

        Raises:
            BudgetError: no choice is within the ceiling.
        """
        if ceiling.unit == "ms":
            try:
                return self._least((1 - margin) * ceiling.value)
            except BudgetError:
                pass
        return self._least(ceiling.value)

    def _least(self, ceiling: float) -> Plan:
        chosen, dropped = _solve(self.structure, self.options, self.drops, ceiling - self.costs.constant)
        gone = {option.family: self.structure.family(option.family).units - option.kept for option in chosen}
        units = {name: lowest(self.scores, name, count) for name, count in gone.items() if count}
        damage = sum(option.damage for option in chosen) + sum(self.drops[name] for name in dropped)
        plan = Plan(units, dropped, predicted_damage=damage)
        return replace(plan, predicted_cost=self.costs.predict(self.structure, plan))


def damage_curve(structure: Structure, family: Family, scores: Scores, damage: Damage) -> np.ndarray:
    """Damage when the `k` lowest-scored units go, for k = 0 … units: measured points, joined along the scores."""
    cumulative = np.concatenate([[0.0], np.cumsum(ascending(scores, family.name))])
    if cumulative[-1] <= 0:
        cumulative = np.arange(family.units + 1, dtype=float)
    points = dict(damage.families[family.name])
    sublayer = structure.sublayer_of(family.name)
    if sublayer is not None and len(sublayer.families) == 1:
        points[family.units] = max(damage.sublayers[sublayer.name], *points.values())
    removed = sorted(points)
    values = np.maximum.accumulate([points[k] for k in removed])
    return np.asarray(np.interp(cumulative, cumulative[removed], values))


def summed(structure: Structure, scores: Scores) -> Damage:
    """What removals lose if that is the sum of the scores of all units that go."""
    totals = {family.name: float(ascending(scores, family.name).sum()) for family in structure.families}
    families = {family.name: ((0, 0.0), (family.units, totals[family.name])) for family in structure.families}
    sublayers = {item.name: sum(totals[name] for name in item.families) for item in structure.sublayers}
    return Damage(scores.criterion, families, sublayers)


def ascending(scores: Scores, family: str) -> np.ndarray:
    """The scores of `family`, the lowest first, those below 0 as 0."""
    return np.asarray(np.sort(scores.units[family].clip(min=0)))


def lowest(scores: Scores, family: str, count: int) -> tuple[int, ...]:
    """The `count` units of `family` with the lowest scores, ascending."""
    return tuple(np.sort(np.argsort(scores.units[family], kind="stable")[:count]).tolist())


def _solve(
    structure: Structure, options: Sequence[Option], drops: Mapping[str, float], room: float
) -> tuple[list[Option], tuple[str, ...]]:
    """The integer program: one option a family, or its sublayer bypassed, within `room`."""
    if room < 0 or not options:
        raise BudgetError("the budget is below what no removal can save", "ask for a larger budget")
    names = list(drops)
    table = _Table(structure, options, names)
    damages = np.zeros(table.width)
    damages[: len(options) + len(names)] = [option.damage for option in options] + [drops[name] for name in names]
    constraints = [
        LinearConstraint(table.rows(table.choices), 1, 1),
        LinearConstraint(table.rows(table.limits), -np.inf, 0),
        LinearConstraint(table.costs[None, :], -np.inf, room),
    ]
    taken = least(damages, constraints)
    chosen = [option for option, take in zip(options, taken, strict=False) if take]
    return chosen, tuple(name for name, take in zip(names, taken[len(options) :], strict=False) if take)


class _Table:
    """What is chosen, a column each: the options, the sublayers that may go, and copies of options.

    A family that several sublayers share has one size, chosen once, and in each of them that may go a copy of the
    option that is chosen, unless that sublayer goes: the copies are what costs.

    Attributes:
        width: how many columns there are.
        costs: of each column.
        choices: rows that must come to 1, as weights by column.
        limits: rows that must not exceed 0.
    """

    def __init__(self, structure: Structure, options: Sequence[Option], names: list[str]) -> None:
        self.choices: list[dict[int, int]] = []
        self.limits: list[dict[int, int]] = []
        costs = [0.0] * (len(options) + len(names))
        for family in dict.fromkeys(option.family for option in options):
            columns = [index for index, option in enumerate(options) if option.family == family]
            holding = [item.name for item in structure.sublayers_of(family)]
            going = [len(options) + names.index(name) for name in holding if name in names]
            alone = going if len(holding) == 1 else []
            self.choices.append(dict.fromkeys([*columns, *alone], 1))
            for column in columns:
                costs[column] = options[column].cost * (len(holding) - len(going) + len(alone) if holding else 1)
            for drop in going if not alone else []:
                copies = range(len(costs), len(costs) + len(columns))
                costs.extend(options[column].cost for column in columns)
                self.choices.append(dict.fromkeys([*copies, drop], 1))
                self.limits.extend({copy: 1, column: -1} for copy, column in zip(copies, columns, strict=True))
        self.costs, self.width = np.array(costs), len(costs)

    def rows(self, weights: list[dict[int, int]]) -> csr_array:
        """The rows as a matrix, one of zeros where there are none."""
        matrix = lil_array((max(1, len(weights)), self.width))
        for row, each in enumerate(weights):
            for column, weight in each.items():
                matrix[row, column] = weight
        return matrix.tocsr()
