"""The table of published methods: what each is asked for, and how the page compares them."""

from __future__ import annotations

from typing import Any

import pytest

from prunec import catalogue
from prunec.options import Budget, Options
from prunec.pipeline import parse
from tests.pipelines import usual
from tools.bench.methods import increase
from tools.bench.methods_cases import METHODS
from tools.bench.methods_page import page


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_pipeline_of_its_own(name: str) -> None:
    options = METHODS[name].options
    Options(Budget("speedup", 2.0), **options)
    text = usual(**options, text_given=True)
    assert parse(text, catalogue.find_pass)
    others = [other for other in METHODS if other != name]
    assert all(METHODS[other].options != options for other in others)


def row(method: str, figure: float | None, speedup: float = 1.5) -> dict[str, Any]:
    return {
        "model": "m", "method": method, "speedup_asked": speedup, "metric": "nats", "machine": "here",
        "loss": {"prose": [3.0, None if figure is None else 3.0 + figure]},
        "increase": {} if figure is None else {"prose": figure},
        "budget_ms": 3.0 / speedup, "dense_ms": 9.0, "measured_ms": 2.0, "parameters": [9e6, 5e6], "seconds": 60.0,
        "peak_memory_bytes": 2e9,
    }  # fmt: skip


def test_ratios_are_to_the_best_published_method() -> None:
    text = page([row("wanda-sp", 2.0), row("flap", 1.0), row("prunec", 0.25)])
    assert "| wanda-sp | 2.000 (2.00) | 1.50 | 5.0 | 60 | 2.0 |" in text
    assert "| flap | 1.000 (1.00) |" in text
    assert "| prunec | 0.250 (0.25) |" in text


def test_speedups_stand_side_by_side_and_what_is_not_measured_is_empty() -> None:
    text = page([row("flap", 1.0, 2.0), row("flap", 0.5, 1.25), row("sleb", 3.0, 2.0)])
    assert "| flap | 0.500 (1.00) | 1.000 (1.00) | 1.50, 1.50 |" in text
    assert "| sleb |  | 3.000 (3.00) | 1.50 |" in text


def test_failures_and_missed_budgets_are_said() -> None:
    failed = {"model": "m", "method": "sleb", "speedup_asked": 1.5, "error": "no choice meets the budget"}
    text = page([row("flap", 1.0), failed, row("kwon", None)])
    assert "| sleb | failed |" in text
    assert "sleb at 1.5x: no choice meets the budget." in text
    assert "| kwon | missed | 1.50 |" in text


def test_worse_is_positive_whichever_way_the_figure_goes() -> None:
    assert increase({"prose": [3.0, 3.5]}, higher_is_better=False) == {"prose": 0.5}
    assert increase({"prose": [1.0, 0.75]}, higher_is_better=True) == {"prose": 0.25}


def test_what_is_said_of_a_row_stands_below_the_table() -> None:
    text = page([row("sprint", 1.0) | {"note": "its search went on from a journal"}])
    assert text.endswith(
        "| sprint | 1.000 (1.00) | 1.50 | 5.0 | 60 | 2.0 |\n\nsprint at 1.5x: its search went on from a journal.\n"
    )


def test_several_seeds_are_one_figure_with_half_their_range() -> None:
    seeds = [
        row("prunec", figure) | {"seed": seed, "seconds": 60.0 + seed} for seed, figure in enumerate((0.2, 0.3, 0.4))
    ]
    text = page([*seeds, row("flap", 0.6), row("sleb", 0.5)])
    assert "| prunec | 0.300 ±0.100 (0.60) | 1.50 | 5.0 | 60 | 2.0 |" in text


def test_right_answers_have_a_table_of_their_own() -> None:
    text = page(
        [row("flap", 1.0) | {"right": {"news": {"dense": 8, "file": 6, "both": 6, "count": 10}}}, row("sleb", 2.0)]
    )
    assert "dense: news 0.800" in text
    assert "| flap | 0.600 (0.31 to 0.83), p 0.5 |" in text
