"""How far scorings agree, by family and over all."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from prunec.errors import InputError
from prunec.facts import Scores
from prunec.report.agreement import agreements, print_agreements


def scoring(**units: Sequence[float]) -> Scores:
    return Scores("taylor", "", {name: np.array(values, float) for name, values in units.items()})


UP, DOWN = list(range(8)), list(range(8, 0, -1))


def test_the_same_order_agrees_wholly_and_the_reverse_not_at_all() -> None:
    same, reverse = (
        agreements({"a": scoring(f=UP), "b": scoring(f=[2 * x for x in UP])}, by_family=True),
        agreements({"a": scoring(f=UP), "b": scoring(f=DOWN)}, by_family=True),
    )
    assert [(item.rank, item.quarter, item.half) for item in (*same, *reverse)] == [(1, 1, 1), (-1, 0, 0)]


def test_half_of_the_lowest_in_common_is_a_third_of_either() -> None:
    (found,) = agreements({"a": scoring(f=[0, 1, 8, 9]), "b": scoring(f=[0, 8, 1, 9])}, by_family=True)
    assert found.half == pytest.approx(1 / 3)


def test_several_families_give_their_medians() -> None:
    (found,) = agreements({"a": scoring(f=UP, g=UP, h=UP), "b": scoring(f=UP, g=UP, h=DOWN)}, by_family=False)
    assert (found.families, found.rank, found.half) == ("3", 1, 1)


def test_a_scoring_that_tells_nothing_apart_has_no_rank() -> None:
    (found,) = agreements({"a": scoring(f=UP), "b": scoring(f=[1] * 8)}, by_family=True)
    assert math.isnan(found.rank)


def test_sublayers_are_compared_where_both_score_them() -> None:
    one, other = (replace(scoring(f=UP), sublayers=dict(zip("abcd", row, strict=True))) for row in (UP[:4], DOWN[:4]))
    units, sublayers = agreements({"a": one, "b": other}, by_family=False)
    assert (units.families, units.rank) == ("1", 1)
    assert (sublayers.families, sublayers.rank, sublayers.half) == ("sublayers", -1, 0)
    alone = replace(other, units={})
    (found,) = agreements({"a": one, "b": alone}, by_family=False)
    assert found.families == "sublayers"
    (found,) = agreements({"a": one, "b": scoring(f=UP)}, by_family=True)
    assert found.families == "f"


def test_scores_with_nothing_in_common_are_refused() -> None:
    sublayers = Scores("block-influence", "", {}, {"mlp": 1.0})
    with pytest.raises(InputError, match="no units or sublayers in common"):
        agreements({"a": scoring(f=UP), "b": sublayers}, by_family=False)
    with pytest.raises(InputError, match="not of the same units: mlp"):
        agreements({"a": sublayers, "b": replace(sublayers, sublayers={"attention": 1.0})}, by_family=False)


def test_every_two_are_compared() -> None:
    found = agreements({name: scoring(f=UP) for name in "abc"}, by_family=False)
    assert [(item.first, item.second) for item in found] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_other_units_and_single_files_are_refused() -> None:
    with pytest.raises(InputError, match="1 files"):
        agreements({"a": scoring(f=UP)}, by_family=False)
    with pytest.raises(InputError, match="not of the same units: g"):
        agreements({"a": scoring(f=UP, g=UP), "b": scoring(f=UP, g=UP[:3])}, by_family=False)


def test_a_line_is_printed_for_each() -> None:
    page = io.StringIO()
    print_agreements(agreements({"a": scoring(f=UP), "b": scoring(f=DOWN)}, by_family=True), Console(file=page))
    assert page.getvalue().splitlines()[1].split() == ["a", "b", "f", "-1.00", "0%", "0%"]
