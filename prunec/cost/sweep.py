"""What a path file's findings give under one budget after the other: the plans of the searches that go by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil, floor, log10

import numpy as np

from prunec.cost.allocation import MARGIN, SIZES, Allocation, summed
from prunec.cost.order import Order
from prunec.errors import BudgetError, PassError
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, SolutionPath, Structure
from prunec.passbase import Progress, Silent

DIGITS = 4
"""Of a budget, so that one can type it."""
LEAST = 1e-3
"""Share of the dense cost that the smallest budget has, where the floor is next to nothing."""


def sweep(
    structure: Structure, facts: Mapping[type, object], costs: CostModel, count: int, progress: Progress | None = None
) -> dict[float, Plan]:
    """The plans under about `count` budgets between the floor and the dense cost, by budget, the least first.

    Each is the plan that a compile with the same facts and costs finds for that budget; budgets that no plan meets are
    left out. Of the dense cost nothing goes.

    Args:
        structure: names and numbers alone suffice.
        facts: a `SolutionPath`, or `Scores`, with or without `Damage`.
        costs: in the unit of the budgets.
        count: how many budgets.
        progress: where to report; silent by default.
    """
    progress = progress or Silent()
    choose = _chooser(structure, facts, costs)
    dense = costs.predict(structure, Plan({}))
    plans: dict[float, Plan] = {}
    steps = budgets(max(costs.constant, LEAST * dense), dense, count)
    for done, budget in enumerate(steps):
        progress.item("searching under each budget", done, len(steps))
        try:
            plans[budget] = choose(Ceiling(costs.unit, budget))
        except (BudgetError, PassError):  # below what can be met, or more than the solver can do in its time
            continue
    nothing = Plan({}, predicted_cost=dense, predicted_damage=0.0 if Damage in facts else None)
    return {**plans, _typed(dense): nothing}


def budgets(least: float, most: float, count: int) -> list[float]:
    """`count` budgets of `DIGITS` digits, evenly spaced from `least` to below `most`, ascending."""
    steps = [_typed(float(value)) for value in np.linspace(least, most, count, endpoint=False)]
    return [value for value in dict.fromkeys(steps) if value < most]


def search_name(facts: Mapping[type, object]) -> str:
    """The search that goes by `facts`."""
    if SolutionPath in facts:
        return "path"
    return "knapsack" if Damage in facts else "summed"


def _chooser(structure: Structure, facts: Mapping[type, object], costs: CostModel) -> Callable[[Ceiling], Plan]:
    path, scores, damage = facts.get(SolutionPath), facts.get(Scores), facts.get(Damage)
    if isinstance(path, SolutionPath):
        order = Order(structure, path, costs, SIZES)
        return lambda ceiling: order.plan(order.needed(ceiling, MARGIN))
    assert isinstance(scores, Scores), "a path file holds one or the other"
    if isinstance(damage, Damage):
        allocation = Allocation.of(structure, scores, damage, costs, SIZES)
        return lambda ceiling: allocation.plan(ceiling, MARGIN)
    sums = Allocation.of(structure, scores, summed(structure, scores), costs, SIZES)
    # Sums of scores are in no unit of damage.
    return lambda ceiling: replace(sums.plan(ceiling, MARGIN), predicted_damage=None)


def _typed(value: float) -> float:
    """`value` rounded up to `DIGITS` digits."""
    unit = 10.0 ** (floor(log10(value)) - DIGITS + 1)
    return float(f"{ceil(value / unit - 1e-9) * unit:.{DIGITS}g}")
