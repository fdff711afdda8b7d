"""The table of what stays of fine-tunings: what the page says of its rows."""

from __future__ import annotations

from tools.bench.ken_page import page
from tools.bench.rows import Row


def rows() -> list[Row]:
    found: list[Row] = []
    for seed, gain in ((0, 0.0), (1, 0.1)):
        own: Row = {"set": "news", "seed": seed}
        more = {"rows": 9, "epochs": 1, "longest": 64, "tests": 20}
        found.append(own | more | {"mode": "full", "keep": 1.0, "accuracy": 0.8 + gain, "bytes": 4e6})
        found.append(own | {"mode": "none", "keep": 0.0, "accuracy": 0.2, "bytes": 1e5})
        found.append(own | {"mode": "delta", "keep": 0.5, "accuracy": 0.7 + gain, "bytes": 3e6})
        found.append(own | {"mode": "delta", "keep": 0.1, "accuracy": 0.5, "bytes": 1e6})
    return found


def test_seeds_are_a_mean_with_half_their_range_by_share() -> None:
    text = page(rows())
    assert "| mode | 10% | 50% |" in text
    assert "| delta | 0.500 ±0.000 | 0.750 ±0.050 |" in text
    assert "| size of the file | 1.0 MB | 3.0 MB |" in text
    assert "The tuned model has 0.850 ±0.050 right and takes 4.0 MB" in text
    assert "Units cut out" not in text
    assert "not measured yet: bbc_topics 0" in text


def test_what_is_not_measured_yet_is_empty() -> None:
    more = {"set": "news", "seed": 0, "mode": "random", "keep": 0.5, "accuracy": 0.6, "bytes": 3e6}
    assert "| random |  | 0.600 |" in page([*rows(), more])


def test_a_mode_is_held_against_as_many_entries_at_random_of_the_same_tuning() -> None:
    drawn: list[Row] = [
        {"set": "news", "seed": seed, "mode": "random", "keep": share, "accuracy": accuracy, "bytes": 1e6}
        for seed, share, accuracy in ((0, 0.1, 0.45), (0, 0.5, 0.6), (1, 0.5, 0.75))
    ]
    assert "- `delta` beside `random`: +0.050 at 10%, +0.075 at 50%" in page([*rows(), *drawn])
    assert "beside `random`" not in page([*rows(), *drawn[1:]])


def test_criteria_of_units_are_listed_best_first_below_the_whole_model() -> None:
    found = [*rows()]
    for name, accuracy in (("random", 0.3), ("ken", 0.6)):
        found.append({"set": "news", "seed": 0, "criterion": name, "draw": 0, "accuracy": accuracy})
    lines = page(found).splitlines()
    start = lines.index("| nothing cut | 0.850 ±0.050 |")
    assert lines[start + 1 : start + 3] == ["| ken | 0.600 |", "| random | 0.300 |"]


def test_what_the_density_changes_is_told() -> None:
    assert "this share of other entries: 1.000% at 25%" in page(
        [*rows(), {"set": "news", "seed": 0, "same": {"0.25": 0.99}}]
    )
