"""The budgets that are drawn, and the page about what became of them."""

from __future__ import annotations

import pytest

from tools.bench.budgets import drawn, page


def row(asked: float, target: float, measured: float) -> dict[str, object]:
    return {
        "model": "m",
        "workload": "encode:1x8",
        "threads": 1,
        "asked": asked,
        "target_ms": target,
        "predicted_ms": target,
        "measured_ms": measured,
        "held": measured <= target,
        "trials": 1,
    }


def test_budgets_lie_between_the_floor_and_the_dense_model() -> None:
    found = drawn(0.1, 20, 0)
    assert all(1 < value < 10 for value in found)
    assert len(set(found)) == 20


def test_more_budgets_begin_with_the_same() -> None:
    assert drawn(0.2, 20, 3)[:5] == drawn(0.2, 5, 3)


def test_the_page_says_how_much_of_the_budgets_is_spent() -> None:
    text = page([row(2.0, 10.0, 9.8), row(1.5, 10.0, 9.6), row(3.0, 10.0, 10.1)])
    assert "2 of 3 budgets held; those take 97.0% of their budget on average, 96.0% to 98.0%." in text
    assert text.index("| 1.5x |") < text.index("| 2x |") < text.index("| 3x |")
    assert "101.0% (missed)" in text


def test_a_budget_that_failed_has_its_reason() -> None:
    failed = {"model": "m", "workload": "w", "threads": 1, "asked": 9.0, "held": False, "error": "below the floor"}
    assert "| 9x | below the floor |" in page([failed])


@pytest.mark.parametrize("count", [1, 20])
def test_as_many_are_drawn_as_asked(count: int) -> None:
    assert len(drawn(0.5, count, 1)) == count
