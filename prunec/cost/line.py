"""The least removal that a budget takes, along a line of plans that each remove more than the one before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from prunec.errors import BudgetError, InputError
from prunec.facts import Ceiling, CostModel, Plan, Scores, Structure


def fewest(cost: Callable[[int], float], longest: int, room: float) -> int | None:
    """The fewest steps, from 0 to `longest`, after which `cost` is within `room`; None where it never is.

    `cost` never rises along the steps.
    """
    steps = bisect_left(range(longest + 1), True, key=lambda step: cost(step) <= room)
    return steps if steps <= longest else None


def along(
    line: Callable[[int], Plan], longest: int, structure: Structure, costs: CostModel, ceiling: Ceiling, margin: float
) -> Plan:
    """The first plan of `line` within the budget, with its predicted cost.

    Args:
        line: the plan after so many steps; nothing goes after 0, and what goes stays gone.
        longest: how many steps there are.
        structure: what plans are of.
        costs: what they cost.
        ceiling: the budget.
        margin: share of a latency budget that is kept free where it can be; none where nothing needs to go.

    Raises:
        BudgetError: no plan of the line is within the ceiling.
    """

    def cost(step: int) -> float:
        return costs.predict(structure, line(step))

    spared = (1 - margin) * ceiling.value if ceiling.unit == "ms" else ceiling.value
    for room in (spared, ceiling.value):
        steps = 0 if cost(0) <= ceiling.value else fewest(cost, longest, room)
        if steps is not None:
            return replace(line(steps), predicted_cost=cost(steps))
    raise BudgetError(
        f"no choice of units meets the budget of {ceiling.value:.4g} {ceiling.unit}: "
        f"without all that this search may remove it takes {cost(longest):.4g}",
        "ask for a larger budget, or let --search knapsack remove sublayers as well",
    )


def require_units(scores: Scores, search: str) -> None:
    """Make sure that there are scores of units for `search` to go by.

    Raises:
        InputError: the criterion scores sublayers alone.
    """
    if not scores.units:
        raise InputError(
            f"{scores.criterion} scores sublayers alone, and --search {search} removes units",
            "name a criterion that scores units, or leave --search out",
        )
