"""Along a line of plans, the first within the budget is taken."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.cost.line import along, fewest
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Family, Plan, Structure

STRUCTURE = Structure((Family("f", "neuron", 10, (), ()),), ())
COSTS = CostModel("ms", 2.0, {"f": ((1, 1.0), (10, 10.0))})


def line(step: int) -> Plan:
    return Plan({"f": tuple(range(step))} if step else {}, search="here")


def found(budget: float, margin: float = 0.0, unit: str = "ms") -> Plan:
    return along(line, 9, STRUCTURE, COSTS, Ceiling(unit, budget), margin)


@pytest.mark.parametrize("room", [13.0, 12.0, 11.9, 7.5, 3.0, 2.9])
def test_the_fewest_steps_are_those_that_trying_all_finds(room: float) -> None:
    costs = [COSTS.predict(STRUCTURE, line(step)) for step in range(10)]
    expected = next((step for step, cost in enumerate(costs) if cost <= room), None)
    assert fewest(costs.__getitem__, 9, room) == expected


def test_the_first_plan_within_the_budget_is_taken_with_its_cost() -> None:
    assert found(8.4) == Plan({"f": (0, 1, 2, 3)}, predicted_cost=8.0, search="here")


def test_nothing_goes_where_nothing_must() -> None:
    assert found(12.0, margin=0.5) == Plan({}, predicted_cost=12.0, search="here")


def test_of_a_latency_a_margin_is_kept_free_where_it_can_be() -> None:
    assert found(10.0, margin=0.1).predicted_cost == pytest.approx(9.0)
    assert found(10.0, margin=0.1, unit="parameters").predicted_cost == pytest.approx(10.0)
    assert found(3.0, margin=0.1).predicted_cost == pytest.approx(3.0)


def test_a_budget_beyond_the_line_is_refused_with_its_end() -> None:
    with pytest.raises(BudgetError, match=r"the budget of 2\.9 ms: without all that this search may remove it takes 3"):
        found(2.9)


def test_steps_that_change_no_cost_are_passed_over() -> None:
    costs = np.array([5.0, 5.0, 3.0, 3.0, 1.0])
    assert fewest(costs.__getitem__, 4, 3.0) == 2
