"""The table of criteria: how the page ranks it."""

from __future__ import annotations

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
