"""Shares of right answers stand with their interval, and with how far they tell two models apart."""

from __future__ import annotations

import pytest

from tools.bench.right_page import difference, right_table, share


def right(file: int, both: int = 0) -> dict[str, dict[str, dict[str, int]]]:
    return {"right": {"news": {"dense": 8, "file": file, "both": both or min(8, file), "count": 10}}}


def test_an_interval_narrows_with_the_number_of_texts() -> None:
    assert share(9, 10) == "0.900 (0.60 to 0.98)"
    assert share(900, 1000) == "0.900 (0.88 to 0.92)"


@pytest.mark.parametrize(
    ("file", "both", "likely"),
    [(80, 80, 1), (75, 75, 2 / 2**5), (80, 75, 1), (79, 74, 1), (60, 58, 2 * (1 + 24 + 276) / 2**24)],
)
def test_only_answers_that_differ_count(file: int, both: int, likely: float) -> None:
    found = difference({"dense": 80, "file": file, "both": both, "count": 100})
    assert found == pytest.approx(likely, rel=0.1)


def test_lines_and_columns_are_those_that_were_counted() -> None:
    rows = [
        ("flap", "1.5x", right(6)),
        ("kwon", "1.5x", {}),
        ("prunec", "1.25x", right(7)),
        ("prunec", "1.25x", right(1)),
    ]
    found = right_table("method", rows)
    assert f"dense: news {share(8, 10)} of 10." in found[1]
    assert found[3] == "| method | 1.25x, news | 1.5x, news |"
    assert found[5:] == [f"| flap |  | {share(6, 10)}, p 0.5 |", f"| prunec | {share(7, 10)}, p 1 |  |"]


@pytest.mark.parametrize("row", [{}, {"right": {}}])
def test_where_nothing_was_counted_there_is_no_table(row: dict[str, object]) -> None:
    assert right_table("method", [("flap", "1.5x", row)]) == []
