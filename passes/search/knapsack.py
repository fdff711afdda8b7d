"""`knapsack`: neurons, heads, KV groups and sublayers together under one budget, optimal on measured points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, lil_array

from prunec.errors import BudgetError, PassError
from prunec.facts import Ceiling, CostModel, Damage, Family, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class Option:
    """One choice for one family: keep `kept` units, at a cost in each of its sublayers."""

    family: str
    kept: int
    cost: float
    damage: float


@dataclass(frozen=True)
class KnapsackPass(Pass):
    """Choose a size for every family, or no sublayer at all, so that summed damage is least within the budget.

    A multiple-choice knapsack, solved exactly as an integer program (HiGHS through scipy). Costs are
    measured points, interpolated; damage between two measured points follows the cumulative score of
    the units that go. The setting is that of Kwon et al. 2022 ("A Fast Post-Training Pruning
    Framework for Transformers", section 4), with measured points in the place of their piecewise fit
    and whole sublayers as a choice like any other. Units that several sublayers share are kept or removed in all
    of them; under a budget of time each of these can still go whole.

    Attributes:
        sizes: how many sizes of a large family are considered; a small one is considered at each.
        margin: share of a latency budget that is kept free where it can be: what one measurement of the
            same artifact differs from the next by.
    """

    name: ClassVar[str] = "knapsack"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Damage, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    sizes: int = 32
    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one."""
        structure, scores, costs = facts[Structure], facts[Scores], facts[CostModel]
        ceiling = facts[Ceiling]
        empty = Plan({}, predicted_damage=0.0)
        dense = costs.predict(structure, empty)
        if dense <= ceiling.value:
            return PassResult(
                program, (replace(empty, predicted_cost=dense),), "the dense program is within the budget"
            )
        options, drops = self._options(structure, scores, facts[Damage], costs)
        try:
            chosen, dropped = self._within(structure, options, drops, ceiling, costs.constant)
        except BudgetError as error:
            if scores.units:
                raise
            raise BudgetError(
                f"no choice of sublayers meets the budget: {scores.criterion} scores no units, so families stay whole",
                "ask for a larger budget, or name a criterion that scores units",
            ) from error
        units = {
            option.family: _lowest(scores, option.family, structure.family(option.family).units - option.kept)
            for option in chosen
            if option.family in scores.units
        }
        plan = Plan({name: removed for name, removed in units.items() if removed}, dropped)
        damage = sum(option.damage for option in chosen) + sum(drops[name] for name in dropped)
        plan = replace(plan, predicted_cost=costs.predict(structure, plan), predicted_damage=damage)
        log = f"{len(dropped)} sublayers and {sum(map(len, plan.units.values()))} units go"
        return PassResult(program, (plan,), f"{log}: {plan.predicted_cost:.4g} {costs.unit}, damage {damage:.4g}")

    def _within(
        self, structure: Structure, options: list[Option], drops: dict[str, float], ceiling: Ceiling, constant: float
    ) -> tuple[list[Option], tuple[str, ...]]:
        """The best choice with the margin kept free; without it where that leaves none."""
        if ceiling.unit == "ms":
            try:
                return _solve(structure, options, drops, (1 - self.margin) * ceiling.value - constant)
            except BudgetError:
                pass
        return _solve(structure, options, drops, ceiling.value - constant)

    def _options(
        self, structure: Structure, scores: Scores, damage: Damage, costs: CostModel
    ) -> tuple[list[Option], dict[str, float]]:
        """Every size of every priced family, and the damage of bypassing each sublayer whose families are priced.

        A family whose units have no scores stays whole.
        """
        options: list[Option] = []
        for family in structure.families:
            if family.name not in costs.families:
                continue
            whole = family.name not in scores.units
            curve = np.zeros(1) if whole else damage_curve(structure, family, scores, damage)
            step = max(1, family.units // self.sizes)
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
        return options, drops


def damage_curve(structure: Structure, family: Family, scores: Scores, damage: Damage) -> np.ndarray:
    """Damage when the `k` lowest-scored units go, for k = 0 … units: measured points, joined along the scores."""
    order = np.sort(scores.units[family.name].clip(min=0))
    cumulative = np.concatenate([[0.0], np.cumsum(order)])
    if cumulative[-1] <= 0:
        cumulative = np.arange(family.units + 1, dtype=float)
    points = dict(damage.families[family.name])
    sublayer = structure.sublayer_of(family.name)
    if sublayer is not None and len(sublayer.families) == 1:
        points[family.units] = max(damage.sublayers[sublayer.name], *points.values())
    removed = sorted(points)
    values = np.maximum.accumulate([points[k] for k in removed])
    return np.asarray(np.interp(cumulative, cumulative[removed], values))


def _lowest(scores: Scores, family: str, count: int) -> tuple[int, ...]:
    return tuple(np.sort(np.argsort(scores.units[family], kind="stable")[:count]).tolist())


def _solve(
    structure: Structure, options: list[Option], drops: dict[str, float], room: float
) -> tuple[list[Option], tuple[str, ...]]:
    """The integer program: one option a family, or its sublayer bypassed, within `room`."""
    if room < 0 or not options:
        raise BudgetError("the budget is below what no removal can save", "ask for a larger budget")
    names = list(drops)
    table = _Table(structure, options, names)
    damages = np.zeros(table.width)
    damages[: len(options) + len(names)] = [option.damage for option in options] + [drops[name] for name in names]
    result = milp(
        damages,
        constraints=[
            LinearConstraint(table.rows(table.choices), 1, 1),
            LinearConstraint(table.rows(table.limits), -np.inf, 0),
            LinearConstraint(table.costs[None, :], -np.inf, room),
        ],
        integrality=np.ones(table.width, dtype=np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-4, "time_limit": 60},
    )
    if result.x is None:
        if result.status == 2:
            raise BudgetError("no choice of sizes meets the budget", "ask for a larger budget")
        raise PassError(f"the integer solver found nothing ({result.message})", "try fewer `sizes`")
    taken = result.x > 0.5
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

    def __init__(self, structure: Structure, options: list[Option], names: list[str]) -> None:
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
