"""The table of criteria: what goes at equal sizes, and how the page ranks it."""

from __future__ import annotations

import numpy as np

from prunec.facts import CostModel, Family, Scores, Site, Structure
from tools.bench.criteria import uniform
from tools.bench.criteria_page import page


def rows(unit: str = "nats", **figures: list[float]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"model": "m", "unit": unit, "dense": {"prose": [1.0, 0.0]}}]
    for name, values in figures.items():
        for seed, value in enumerate(values):
            row = {"model": "m", "criterion": name, "seed": seed, "speedup": 1.5, "share": 0.25, "sublayers": []}
            found.append(row | {"cut": {"prose": [value + 1, 0.1]}, "fitted": {"prose": [value, 0.1]}})
    return found


def order(text: str) -> list[str]:
    return [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_lowest_loss_is_listed_first() -> None:
    assert order(page(rows(random=[3.0, 3.2], taylor=[2.0, 2.5], wanda=[2.6]))) == ["taylor", "wanda", "random"]


def test_the_highest_accuracy_is_listed_first() -> None:
    assert order(page(rows("accuracy", random=[0.5], taylor=[0.9])))[:2] == ["taylor", "random"]


def test_seeds_are_a_mean_with_half_their_range() -> None:
    assert "| taylor | 2 | 3.250 ±0.250 | 2.250 ±0.250 |" in page(rows(taylor=[2.0, 2.5]))


def test_of_whole_sublayers_the_cut_model_stands_in_both_columns() -> None:
    dense, row = rows(influence=[2.0])
    row |= {"share": 0.0, "fitted": {}}
    assert "| influence | 1 | 3.000 | 3.000 |" in page([dense, *rows(taylor=[1.0])[1:], row])


def test_the_same_share_of_every_priced_family_goes_and_no_more_than_it_can_spare() -> None:
    families = tuple(
        Family(name, "neuron", units, (), (Site("", 0, "", 0, np.arange(units)),))
        for name, units in (("wide", 8), ("narrow", 2), ("unpriced", 8))
    )
    costs = CostModel("ms", 1.0, {"wide": ((1, 1.0),), "narrow": ((1, 1.0),)})
    scores = Scores("", "", {family.name: -np.arange(family.units) for family in families})
    plan = uniform(Structure(families, ()), costs, scores, 0.75)
    assert plan.units == {"wide": (2, 3, 4, 5, 6, 7), "narrow": (1,)}
