"""Result files against each other: which rows are alike, which way is worse, what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench.compare import main
from tools.bench.compare_rows import compared, read_rows

DOCS = Path(__file__).parents[2] / "docs"


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text(json.dumps(rows))
    return str(path)


def ratios(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, float | None]:
    return {change.figure: change.ratio for change in compared(old, new).changes}


def test_rows_are_matched_by_what_they_are_of_whatever_their_order() -> None:
    old = [{"model": "a", "speedup": 2.0, "seconds": 10.0}, {"model": "b", "speedup": 2.0, "seconds": 1.0}]
    new = [{"model": "b", "speedup": 2.0, "seconds": 3.0}, {"model": "a", "speedup": 2.0, "seconds": 20.0}]
    assert {change.row: change.ratio for change in compared(old, new).changes} == {
        "b, speedup 2": 3.0,
        "a, speedup 2": 2.0,
    }


def test_seeds_are_repeats_with_a_spread_paired_by_seed() -> None:
    old = [{"model": "m", "seed": seed, "seconds": value} for seed, value in ((0, 1.0), (1, 10.0), (2, 4.0))]
    new = [{"model": "m", "seed": seed, "seconds": value} for seed, value in ((2, 6.0), (1, 20.0), (0, 1.0))]
    (change,) = compared(old, new).changes
    assert (change.ratio, change.spread, change.old, change.new) == (1.5, (1.0, 2.0), 4.0, 6.0)


def test_above_one_is_worse_whichever_way_the_figure_goes() -> None:
    def row(metric: str, value: float) -> dict[str, Any]:
        return {"model": "m", "metric": metric, "loss": {"prose": [1.0, value]}}

    assert ratios([row("cosine to dense", 0.5)], [row("cosine to dense", 0.25)])["loss.prose.1"] == 2.0
    assert ratios([row("nats", 0.5)], [row("nats", 0.25)])["loss.prose.1"] == 0.5


def test_fewer_right_answers_are_worse_whatever_the_unit_of_the_row() -> None:
    def row(accuracy: float, file: int) -> dict[str, Any]:
        right = {"news": {"dense": 8, "file": file, "both": 2, "count": 10}}
        return {"model": "m", "metric": "nats", "accuracy": accuracy, "right": right}

    found = ratios([row(0.5, 6)], [row(0.25, 3)])
    assert (found["accuracy"], found["right.news.file"]) == (2.0, 2.0)


def test_more_divergence_is_worse_also_where_the_unit_is_one_of_which_more_is_better() -> None:
    def row(accuracy: float, divergence: float) -> dict[str, Any]:
        return {"model": "m", "unit": "accuracy", "fitted": {"prose": [accuracy, divergence]}}

    found = ratios([row(0.5, 0.1)], [row(0.25, 0.2)])
    assert (found["fitted.prose.0"], found["fitted.prose.1"]) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("ken", {"accuracy", "bytes", "seconds"}),
        ("quality", {"damage.wiki_eval", "increase.wiki_eval", "loss.wiki_eval.1", "right.bbc_topics_test.file"}),
    ],
)
def test_figures_of_quality_and_size_are_judged_in_the_files_that_are_kept(name: str, figures: set[str]) -> None:
    rows = read_rows(DOCS / f"{name}.json")
    assert figures <= {change.figure for change in compared(rows, rows).changes if change.judged}


def test_what_grew_from_nothing_is_worse_than_any_factor() -> None:
    assert ratios([{"increase": {"prose": -0.1}}], [{"increase": {"prose": 0.1}}]) == {"increase.prose": float("inf")}
    assert ratios([{"increase": {"prose": -0.1}}], [{"increase": {"prose": -0.2}}]) == {"increase.prose": None}


def test_stages_go_by_name_over_all_rounds() -> None:
    old = {"model": "m", "stages": [["load", 1, 2.0, 9], ["settle", 1, 1.0, 9], ["settle", 2, 1.0, 9]]}
    new = {"model": "m", "stages": [["load", 1, 2.0, 9], ["settle", 1, 6.0, 9]]}
    assert ratios([old], [new]) == {"stages.load": 1.0, "stages.settle": 3.0}


def test_rows_of_one_file_are_named_and_are_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = written(tmp_path / "old.json", {"model": "a", "seconds": 1.0}, {"model": "b", "seconds": 1.0})
    new = written(tmp_path / "new.json", {"model": "a", "seconds": 1.0}, {"model": "c", "seconds": 1.0})
    assert main([old, new, "--fail-above", "1.1"]) == 0
    said = capsys.readouterr().out
    assert "only in the old file: b" in said
    assert "only in the new file: c" in said


@pytest.mark.parametrize(("seconds", "status"), [(1.05, 0), (1.2, 3)])
def test_a_figure_beyond_the_factor_fails(tmp_path: Path, seconds: float, status: int) -> None:
    old = written(tmp_path / "old.json", {"model": "a", "seconds": 1.0, "rounds": 5})
    new = written(tmp_path / "new.json", {"model": "a", "seconds": seconds, "rounds": 50})
    assert main([old, new, "--fail-above", "1.1"]) == status
    assert main([old, new]) == 0


def test_figures_that_are_not_asked_for_do_not_fail(tmp_path: Path) -> None:
    old = written(tmp_path / "old.json", {"model": "a", "seconds": 1.0, "peak_bytes": 5})
    new = written(tmp_path / "new.json", {"model": "a", "seconds": 9.0, "peak_bytes": 5})
    assert main([old, new, "--fail-above", "1.1", "--figures", "peak*"]) == 0


def test_a_row_that_has_an_error_now_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = written(tmp_path / "old.json", {"model": "a", "seconds": 1.0})
    new = written(tmp_path / "new.json", {"model": "a", "error": "no luck"})
    assert main([old, new, "--fail-above", "1.1"]) == 3
    assert "fails now: a: no luck" in capsys.readouterr().out


def test_json_says_all_that_the_tables_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = written(tmp_path / "old.json", {"model": "a", "seconds": 1.0})
    new = written(tmp_path / "new.json", {"model": "a", "seconds": 2.0})
    main([old, new, "--json"])
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change == {
        "row": "a", "figure": "seconds", "old": 1.0, "new": 2.0, "ratio": 2.0, "spread": None, "judged": True,
    }  # fmt: skip


def test_a_file_that_holds_no_rows_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.json").write_text('{"a": 1}')
    assert main([str(tmp_path / "no.json"), str(tmp_path / "no.json")]) == 2
    assert "holds no list of rows" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_that_is_kept_can_be_compared_with_itself(path: Path) -> None:
    found = compared(read_rows(path), read_rows(path))
    assert any(change.judged for change in found.changes)
    assert all(change.ratio in (1.0, None) for change in found.changes)
    assert (found.only_old, found.only_new, found.failing) == ((), (), {})
