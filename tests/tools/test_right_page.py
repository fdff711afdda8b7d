"""Shares of right answers stand with their interval, where some were counted."""

from __future__ import annotations

import pytest

from tools.bench.right_page import right_table, share


def test_an_interval_narrows_with_the_number_of_texts() -> None:
    assert share(9, 10) == "0.900 (0.60 to 0.98)"
    assert share(900, 1000) == "0.900 (0.88 to 0.92)"


def test_lines_and_columns_are_those_that_were_counted() -> None:
    rows = [
        ("flap", "1.5x", {"right": {"news": [8, 6, 10]}}),
        ("kwon", "1.5x", {}),
        ("prunec", "1.25x", {"right": {"news": [8, 7, 10]}}),
        ("prunec", "1.25x", {"right": {"news": [8, 1, 10]}}),
    ]
    found = right_table("method", rows)
    assert found[1].endswith(f"dense: news {share(8, 10)} of 10.")
    assert found[3] == "| method | 1.25x, news | 1.5x, news |"
    assert found[5:-1] == [f"| flap |  | {share(6, 10)} |", f"| prunec | {share(7, 10)} |  |"]


@pytest.mark.parametrize("row", [{}, {"right": {}}])
def test_where_nothing_was_counted_there_is_no_table(row: dict[str, object]) -> None:
    assert right_table("method", [("flap", "1.5x", row)]) == []
