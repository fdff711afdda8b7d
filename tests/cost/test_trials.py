"""Between a trial that held and one that missed lies the next: on the line through the nearest of each side."""

from __future__ import annotations

import pytest

from prunec.cost.target import Round, Trial, Trials
from prunec.facts import CostModel, Plan


def trials(*points: tuple[float, float]) -> Trials:
    """Trials by the share of the budget that each took, and the constant that it was searched with."""
    return Trials(
        tuple(Trial(Plan({}), CostModel("ms", constant, {}), Round(9.0, 10 * s, 10.0)) for s, constant in points)
    )


def test_the_next_constant_is_on_the_line_between_the_sides() -> None:
    assert trials((0.9, 3.0), (1.1, 2.0)).between(1.0) == pytest.approx(2.5)
    assert trials((0.9, 3.0), (1.1, 2.0)).between(0.95) == pytest.approx(2.75)


def test_the_nearest_of_each_side_count() -> None:
    assert trials((0.5, 8.0), (1.5, 0.0), (0.9, 3.0), (1.1, 2.0)).between(1.0) == pytest.approx(2.5)


@pytest.mark.parametrize("points", [[(0.9, 3.0)], [(1.1, 2.0), (1.2, 1.0)], [(0.9, 2.0), (1.1, 3.0)]])
def test_one_side_alone_or_sides_the_wrong_way_round_say_nothing(points: list[tuple[float, float]]) -> None:
    assert trials(*points).between(1.0) is None
