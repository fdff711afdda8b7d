"""The page of benchmarks: drawn from raw figures, and pictures that are whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.bench import (
    budgets,
    coverage_page,
    criteria_page,
    emission_page,
    frontier,
    growth_page,
    ken_page,
    methods_page,
    rivals_page,
)
from tools.bench.benchmarks import SECTIONS, draw
from tools.bench.chart import Axis, chart

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "quality": methods_page.page,
    "measurements": frontier.table,
    "budgets": budgets.page,
    "coverage": coverage_page.page,
    "criteria": criteria_page.page,
    "emission": emission_page.page,
    "growth": growth_page.page,
    "ken": ken_page.page,
    "rivals": rivals_page.page,
}


def compiled(method: str, measured: float, slim: float) -> dict[str, Any]:
    return {
        "model": "m", "method": method, "speedup_asked": 1.5, "held": True, "metric": "nats", "budget_ms": 2.0,
        "dense_ms": 9.0, "measured_ms": measured, "seconds": 10.0, "peak_memory_bytes": 1e9,
        "stages": [["load", 1, 4.0, 9]],
        "loss": {"wiki_eval": [1.0, slim], "tales_eval": [1.0, slim + 1]},
    }  # fmt: skip


def rival(name: str, **figures: Any) -> dict[str, Any]:
    return {"model": "m", "rival": name, "amount": 0.5, "metric": "nats", **figures}


def drawn(folder: Path, **raw: list[dict[str, Any]]) -> dict[str, str]:
    for name, rows in raw.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return draw(folder)


def test_compiles_and_rivals_stand_in_one_table_by_their_speed(tmp_path: Path) -> None:
    increase = {"wiki_eval": 0.25, "tales_eval": 0.5}
    faster = rival("int8", processor_ratio=0.5, loss={}, increase=increase)
    files = drawn(tmp_path, quality=[compiled("prunec", 2.0, 1.75)], rivals=[faster])
    lines = [line for line in files["benchmarks.md"].splitlines() if line.startswith(("| prunec", "| int8"))]
    assert lines[0] == "| prunec | 1.5x asked for | 1.50 | wall | 0.750 | 1.750 |"
    assert lines[1] == "| int8 | all weights | 2.00 | processor | 0.250 | 0.500 |"
    assert "benchmarks-m.svg" in files


def test_a_compile_in_both_tables_is_there_once(tmp_path: Path) -> None:
    row = compiled("prunec", 2.0, 1.75) | {"created": "today"}
    files = drawn(tmp_path, quality=[row], measurements=[row, row | {"created": "before", "pipeline": "recover"}])
    lines = [line.split(" | ")[0] for line in files["benchmarks.md"].splitlines() if "| 1.5x asked for" in line]
    assert lines == ["| prunec", "| prunec-lsq"]


def test_rivals_that_failed_are_quoted(tmp_path: Path) -> None:
    files = drawn(tmp_path, rivals=[rival("onnxsim", error="ValueError: unchanged")])
    assert (
        "- onnxsim on m, 50% of channels, and of heads where it finds any: `ValueError: unchanged`"
        in files["benchmarks.md"]
    )


def test_other_tools_are_counted_beside_ours(tmp_path: Path) -> None:
    rows = [
        {"case": "a", "tool": tool, "kind": kind, "outcome": "equal" if tool == "prunec" else "failed"}
        for tool in ("other", "prunec")
        for kind in ("heads", "neurons", "sublayers")
    ]
    lines = drawn(tmp_path, coverage=rows)["benchmarks.md"].splitlines()
    first = lines.index("| prunec | 1 | 1 (100%) | 1 (100%) | 1 (100%) | 1 (100%) |")
    assert lines[first + 1] == "| other | 1 | 0 (0%) | 0 (0%) | 0 (0%) | 0 (0%) |"


def test_what_nobody_measured_is_said_with_the_command_that_does(tmp_path: Path) -> None:
    page = drawn(tmp_path)["benchmarks.md"]
    assert page.count("Not measured yet.") == len(SECTIONS)
    assert "python -m tools.bench.growth --results docs/growth.json --page docs/growth.md" in page


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_picture_holds_every_point_within_its_frame(logarithmic: bool) -> None:
    lines = {"one & two": [(1.0, 0.5), (8.0, 32.0)], "three": [(2.0, 4.0)]}
    svg = ElementTree.fromstring(chart("a < b", Axis("x", logarithmic), Axis("y", logarithmic), lines, "one"))
    circles = [item for item in svg.iter() if item.tag.endswith("circle")]
    assert len(circles) == 3
    assert all(0 < float(item.attrib["cx"]) < 900 and 0 < float(item.attrib["cy"]) < 420 for item in circles)
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"])


def test_the_speed_up_is_the_ratio_that_the_budget_was_judged_by_and_not_that_of_medians(tmp_path: Path) -> None:
    row = compiled("prunec", 1.5, 1.75) | {"budget_ms": 1.6}
    assert "| prunec | 1.5x asked for | 1.60 |" in drawn(tmp_path, quality=[row])["benchmarks.md"]


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=list(PAGES))
def test_every_page_of_a_tool_is_that_of_the_figures_that_are_kept(
    name: str, page: Callable[[list[dict[str, Any]]], str]
) -> None:
    rows = json.loads((DOCS / f"{name}.json").read_text(encoding="utf-8"))
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == page(rows)


def test_the_page_that_is_kept_is_that_of_the_figures_that_are_kept() -> None:
    stale = [name for name, text in draw(DOCS).items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not stale, "run `python -m tools.bench.benchmarks docs`"
