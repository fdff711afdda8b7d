"""What is shown with a report: read as what it is, and refused where it is of something else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunec import cli
from prunec.errors import InputError
from prunec.report.companions import read_companion
from prunec.report.data import Report
from prunec.report.semantics import Family, Semantics
from tests.report.samples import report
from tests.report.test_semantics_page import CUT
from tests.report.test_sensitivity import LOSS

SAMPLE = report()
ANSWERS: Semantics = replace(
    CUT,
    model_class=SAMPLE.model.model_class,
    families=tuple(
        Family(
            layer.family,
            layer.unit,
            layer.sublayer,
            layer.dense_units,
            (),
            tuple(range(layer.slim_units, layer.dense_units)),
        )
        for layer in SAMPLE.layers
    ),
)
TEXTS = replace(LOSS, model_class=SAMPLE.model.model_class, parameters=SAMPLE.model.parameters_dense)
POINTS = {"points": [{"name": "dense int8", "latency_ms": 11.5, "losses": {"news": 3.9, "elsewhere": 1}}]}


def written(folder: Path, text: str) -> Path:
    path = folder / "more.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize("found", [ANSWERS, TEXTS])
def test_what_was_made_for_a_report_is_read_as_it_was_written(found: object, tmp_path: Path) -> None:
    path = written(tmp_path, found.to_json())  # type: ignore[attr-defined]
    assert read_companion(path, {"a": replace(SAMPLE, layers=()), "b": SAMPLE}) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("7", "cannot be read"),
        ('{"schema": 3}', "holds nothing that a report is shown with"),
        (json.dumps({**json.loads(ANSWERS.to_json()), "version": 9}), "it has version 9, and this prunec reads 1"),
        (json.dumps({"points": [{"name": "x"}]}), "lacks latency_ms, losses"),
        (replace(ANSWERS, report="").to_json(), "is of none of the reports"),
        (
            replace(ANSWERS, families=ANSWERS.families[:1] * 2).to_json().replace('"units": 3', '"units": 4'),
            "is of none",
        ),
        (replace(TEXTS, parameters=7).to_json(), "is of none of the reports"),
        (replace(TEXTS, model_class="Another").to_json(), "is of none of the reports"),
    ],
)
def test_anything_else_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_companion(written(tmp_path, text), {"slim.report.json": SAMPLE})
    assert str(tmp_path / "more.json") in str(caught.value)


def shown(with_: str, tmp_path: Path, *reports: Report) -> str:
    """The page of `reports` with what the file says."""
    files = []
    for place, item in enumerate(reports):
        item.write(tmp_path / f"{place}.report.json")
        files.append(str(tmp_path / f"{place}.report.json"))
    page = tmp_path / "all.html"
    assert cli.main(["report", *files, "--with", str(written(tmp_path, with_)), "-o", str(page)]) == 0
    return page.read_text(encoding="utf-8")


def test_the_page_shows_what_the_removal_forgets(tmp_path: Path) -> None:
    page = shown(ANSWERS.to_json(), tmp_path, SAMPLE)
    assert "What the removal forgets" in page
    # The token that loses most comes first: the newline, of which nine tenths are lost.
    assert page.index('<th scope="row">&#39;\\n&#39;</th><td>20</td><td>90%</td>') > 0


def test_the_page_shows_what_the_text_changes(tmp_path: Path) -> None:
    page = shown(TEXTS.to_json(), tmp_path, SAMPLE)
    assert "What the calibration text changes" in page
    assert '<th scope="row">code</th><td>900</td><td>3.700</td><td>+0.500</td><td>4.500</td><td></td>' in page
    assert "<td>neurons</td><td>20</td><td>5</td><td>5</td><td>3</td><td>43%</td>" in page


def test_points_of_other_making_are_on_the_frontier_also_of_one_report(tmp_path: Path) -> None:
    page = shown(json.dumps(POINTS), tmp_path, SAMPLE)
    assert "Loss against latency" in page
    assert page.count('<th scope="row">dense int8</th><td>11.5 ms</td><td></td><td>3.900</td>') == 1
