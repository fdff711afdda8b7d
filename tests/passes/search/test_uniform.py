"""The same share goes everywhere, and no more than the budget takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunec.errors import InputError
from prunec.facts import CostModel, Family, Plan, Scores, Site, Structure
from prunec.passes.search.uniform import UniformPass, uniform
from tests.passes.search.toys import Toy, toy


def test_the_same_share_of_every_priced_family_goes_and_no_more_than_it_can_spare() -> None:
    families = tuple(
        Family(name, "neuron", units, (), (Site("", 0, "", 0, np.arange(units)),))
        for name, units in (("wide", 8), ("narrow", 2), ("unpriced", 8))
    )
    costs = CostModel("ms", 1.0, {"wide": ((1, 1.0),), "narrow": ((1, 1.0),)})
    scores = Scores("", "", {family.name: -np.arange(family.units) for family in families})
    assert uniform(Structure(families, ()), costs, scores, 0.75) == {"wide": (2, 3, 4, 5, 6, 7), "narrow": (1,)}


def cheapest_share(problem: Toy, room: float) -> dict[str, tuple[int, ...]]:
    """What goes by the least share that fits, by trying them all."""
    for step in range(1001):
        units: dict[str, tuple[int, ...]] = {}
        for family in problem.structure.families:
            order = sorted(range(family.units), key=lambda unit: problem.scores.units[family.name][unit])
            gone = order[: min(round(step / 1000 * family.units), family.units - 1)]
            units |= {family.name: tuple(sorted(gone))} if gone else {}
        if problem.costs.predict(problem.structure, Plan(units)) <= room:
            return units
    raise AssertionError("no share fits")


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5])
def test_it_is_the_least_share_that_fits(share: float) -> None:
    problem = toy([12, 8, 5], np.random.default_rng(3))
    ceiling = share * problem.costs.predict(problem.structure, Plan({}))
    plan = problem.plan(ceiling, search=UniformPass)
    assert plan.units == cheapest_share(problem, ceiling)
    assert plan.predicted_cost == pytest.approx(problem.costs.predict(problem.structure, plan))
    assert (plan.search, plan.sublayers, plan.predicted_damage) == ("uniform", (), None)


def test_scores_of_sublayers_alone_are_refused() -> None:
    problem = toy([3, 2], np.random.default_rng(0))
    whole = replace(problem, scores=Scores("influence", "", {}, {"block.f0": 1.0, "block.f1": 2.0}))
    with pytest.raises(InputError, match="influence scores sublayers alone, and --search uniform removes units"):
        whole.plan(1.0, search=UniformPass)
