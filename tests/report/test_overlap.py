"""What two plans have in common, and what chance would give."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.facts import Family, Plan, Structure, Sublayer
from prunec.report.overlap import Overlap, counts, expected_both, overlaps


def family(name: str, kind: str, units: int) -> Family:
    return Family(name, kind, units, (), ())


def sublayer(name: str, kind: str, *families: str) -> Sublayer:
    return Sublayer(name, kind, "add", "x", "f", families)


STRUCTURE = Structure(
    (family("a0", "head", 4), family("f0", "neuron", 10), family("a1", "head", 4), family("f1", "neuron", 10)),
    (
        sublayer("att0", "attention", "a0"),
        sublayer("ffn0", "ffn", "f0"),
        sublayer("att1", "attention", "a1"),
        sublayer("ffn1", "ffn", "f1"),
        sublayer("bare", "ffn"),
    ),
)


def compared(one: Plan, other: Plan) -> dict[str, Overlap]:
    return {item.kind: item for item in overlaps(STRUCTURE, {"one": one, "other": other})}


def test_each_kind_is_counted_over_its_families() -> None:
    found = compared(Plan({"f0": (0, 1, 2, 3), "a0": (0,)}), Plan({"f0": (2, 3), "f1": (0, 1), "a0": (1,)}))
    neurons, heads = found["neuron"], found["head"]
    assert (neurons.there, neurons.by_first, neurons.by_second, neurons.both) == (20, 4, 4, 2)
    assert neurons.jaccard == pytest.approx(2 / 6)
    assert (heads.there, heads.both, heads.jaccard) == (8, 0, 0)


def test_a_plan_and_itself_have_all_in_common() -> None:
    plan = Plan({"f0": (0, 5), "a1": (3,)}, ("ffn1",))
    assert [item.jaccard for item in compared(plan, plan).values()] == [1, 1, 1]


def test_units_of_a_dropped_sublayer_are_removed() -> None:
    found = compared(Plan({}, ("ffn0",)), Plan({"f0": (1, 2, 3)}))
    assert (found["neuron"].by_first, found["neuron"].both) == (10, 3)
    assert (found["sublayer"].by_first, found["sublayer"].by_second) == (1, 0)
    assert counts(STRUCTURE, Plan({"a1": (0,)}, ("ffn0",))) == {"head": 1, "neuron": 10, "sublayer": 1}


def test_sublayers_without_units_cannot_go() -> None:
    assert compared(Plan({}), Plan({}))["sublayer"].there == 4


def test_chance_is_within_each_family_and_each_kind_of_sublayer() -> None:
    found = compared(Plan({"f0": (0, 1, 2, 3, 4)}, ("att0",)), Plan({"f1": (0, 1, 2, 3, 4)}, ("ffn0",)))
    assert found["neuron"].expected == pytest.approx(5 * 10 / 10)  # all of f0 goes by the second
    assert found["sublayer"].expected == 0
    both = compared(Plan({}, ("att0",)), Plan({}, ("att1",)))["sublayer"]
    assert (both.both, both.expected) == (0, 0.5)
    assert both.chance == pytest.approx(0.5 / 1.5)


def test_where_nothing_goes_there_is_no_share() -> None:
    nothing = compared(Plan({}), Plan({}))["neuron"]
    assert math.isnan(nothing.jaccard)
    assert math.isnan(nothing.chance)


def test_every_two_plans_are_compared() -> None:
    found = overlaps(STRUCTURE, {name: Plan({}) for name in "abc"})
    assert list(dict.fromkeys((item.first, item.second) for item in found)) == [("a", "b"), ("a", "c"), ("b", "c")]


@given(st.data(), st.integers(1, 7))
def test_the_expected_number_in_common_is_the_mean_over_all_draws(data: st.DataObject, there: int) -> None:
    one, other = (data.draw(st.integers(0, there)) for _ in range(2))
    draws = [
        len(set(first) & set(second))
        for first in combinations(range(there), one)
        for second in combinations(range(there), other)
    ]
    assert expected_both(there, one, other) == pytest.approx(float(np.mean(draws)))


def test_random_plans_have_in_common_what_chance_gives() -> None:
    draw = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        plans = [Plan({"f0": _drawn(draw, 10, 4), "f1": _drawn(draw, 10, 7)}) for _ in range(2)]
        shares.append(compared(*plans)["neuron"])
    # Expected: 4 * 4 / 10 + 7 * 7 / 10 units in common, with a standard deviation of 1.2 for a single draw.
    assert np.mean([item.both for item in shares]) == pytest.approx(6.5, abs=0.3)
    assert np.mean([item.jaccard for item in shares]) == pytest.approx(shares[0].chance, abs=0.03)


def _drawn(draw: np.random.Generator, there: int, count: int) -> tuple[int, ...]:
    return tuple(sorted(draw.choice(there, count, replace=False).tolist()))
