"""The page of what stays of a fine-tuning: figures, maps, and that it stands alone."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
from plotly.offline import get_plotlyjs

from prunec.report.ken import KeptUnits
from prunec.report.ken_build import MOST_CELLS, density, neighbours
from prunec.report.page.ken import headline, render_ken
from tests.report.kens import matrix, report


def own(page: str) -> str:
    """The page without plotly.js."""
    assert page.count(get_plotlyjs()) == 1
    return page.replace(get_plotlyjs(), "")


def figures(page: str) -> list[dict[str, object]]:
    return [json.loads(found.replace("&#34;", '"')) for found in re.findall(r'data-figure="([^"]*)"', page)]


def test_layers_are_a_series_for_each_role() -> None:
    names = [f"encoder.layer.{layer}.{part}.weight" for layer in (0, 1) for part in ("up", "down")]
    page = own(render_ken(report(matrix("embed.weight"), *map(matrix, names))))
    entries, change, _ = figures(page)
    assert [trace["name"] for trace in entries["data"]] == ["up", "down"]  # type: ignore[attr-defined]
    assert [trace["y"] for trace in entries["data"]] == [[0.25, 0.25]] * 2  # type: ignore[attr-defined]
    assert [trace["y"] for trace in change["data"]] == [[0.25, 0.25]] * 2  # type: ignore[attr-defined]


def test_experts_of_a_layer_are_one_series() -> None:
    shown = report(matrix("layers.0.experts.0.up"), matrix("layers.0.experts.1.up", kept=60))
    entries, _, _ = figures(own(render_ken(shown)))
    assert [(trace["name"], trace["y"]) for trace in entries["data"]] == [  # type: ignore[attr-defined]
        ("experts.*.up", [90 / 240])
    ]


def test_a_matrix_that_tuning_did_not_change_has_no_share_of_change() -> None:
    page = own(render_ken(report(matrix("layers.0.up", kept=0, change=0.0, change_kept=0.0, neighbours=(0,) * 5))))
    assert "nothing was changed" in page


def test_names_are_shown_to_the_letter_and_run_nothing() -> None:
    evil = "</script><script>alert(1)</script>"
    page = own(render_ken(replace(report(matrix(evil)), tuned=evil)))
    assert "<script>alert" not in page
    assert page.count("</script>") == 4


def test_units_that_went_back_are_told() -> None:
    shown = replace(report(matrix("a")), physical=KeptUnits("kept", 200, 3, 0.0, 0.25, 0.5))
    assert "3 of 200 heads, neurons and other units went back whole" in own(render_ken(shown))
    assert headline(replace(shown, keep=None, rows=16)).startswith("16 entries of each row stay, by delta: 1.00 kB")


def test_neighbours_are_counted_in_four_directions() -> None:
    kept = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1]], dtype=bool)
    assert neighbours(kept).tolist() == [0, 4, 1, 0, 0]
    assert neighbours(np.ones((3, 3), dtype=bool)).tolist() == [0, 0, 4, 4, 1]


def test_maps_of_small_matrices_are_exact_and_large_ones_are_bounded() -> None:
    small = np.eye(3, 5, dtype=bool)
    assert density(small).tolist() == small.astype(float).tolist()
    large = np.zeros((10_001, 250), dtype=bool)
    large[:, :125] = True
    found = density(large)
    assert found.shape == (MOST_CELLS, MOST_CELLS)
    assert found[:, :50].min() == 1
    assert found[:, 50:].max() == 0


def test_maps_are_in_the_page_as_bytes() -> None:
    page = own(render_ken(report(matrix("a"))))
    (maps,) = re.findall(r'<script id="maps" type="application/json">(.*?)</script>', page)
    (found,) = json.loads(maps)
    assert list(b64decode(found["map"])) == [0, 64, 127, 128]
    assert (found["name"], found["rows"], found["columns"], found["cells"]) == ("a", 10, 12, [2, 2])
