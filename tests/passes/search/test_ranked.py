"""Units of all families go in one order, and no more of them than the budget takes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from prunec.facts import Plan
from prunec.passes.search.ranked import RankedPass
from tests.passes.search.toys import Toy, toy


def one_by_one(problem: Toy, room: float) -> dict[str, tuple[int, ...]]:
    """What goes when the lowest score that is left goes, again and again, but for the last unit of a family."""
    left = {family.name: family.units - 1 for family in problem.structure.families}
    pairs = sorted((score, name, unit) for name, own in problem.scores.units.items() for unit, score in enumerate(own))
    gone: dict[str, list[int]] = {}
    for _, name, unit in pairs:
        plan = Plan({family: tuple(sorted(units)) for family, units in gone.items()})
        if problem.costs.predict(problem.structure, plan) <= room:
            return dict(plan.units)
        if left[name]:
            gone.setdefault(name, []).append(unit)
            left[name] -= 1
    raise AssertionError("nothing fits")


@pytest.mark.parametrize("share", [0.95, 0.8, 0.6])
def test_the_lowest_of_all_go_first(share: float) -> None:
    problem = toy([12, 8, 5], np.random.default_rng(3))
    ceiling = share * problem.costs.predict(problem.structure, Plan({}))
    plan = problem.plan(ceiling, search=RankedPass)
    assert plan.units == one_by_one(problem, ceiling)
    assert plan.predicted_cost == pytest.approx(problem.costs.predict(problem.structure, plan))
    assert (plan.search, plan.sublayers, plan.predicted_damage) == ("ranked", (), None)


def test_a_family_of_low_scores_keeps_its_highest_unit() -> None:
    problem = toy([6, 6], np.random.default_rng(3))
    problem.scores.units["f0"][:] = [-5, -1, -4, -2, -6, -3]
    floor = Plan({"f0": (0, 2, 3, 4, 5)})
    plan = problem.plan(problem.costs.predict(problem.structure, floor), search=RankedPass)
    assert plan.units == floor.units


def test_tighter_budgets_take_more_of_the_same_order() -> None:
    problem = toy([12, 8, 5], np.random.default_rng(4))
    dense = problem.costs.predict(problem.structure, Plan({}))
    plans = [problem.plan(share * dense, search=RankedPass) for share in (0.9, 0.7, 0.5)]
    sets = [{(name, unit) for name, units in plan.units.items() for unit in units} for plan in plans]
    assert sets[0] < sets[1] < sets[2]
    assert len(Counter(name for name, _ in sets[2])) == 3
