"""`prunec ken --report-page` shows where entries stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import prunec
from prunec import cli
from prunec.errors import InputError
from prunec.report.reading import read_ken
from tests.drivers.tunings import PREFIX, tensors_of
from tests.report.kens import matrix, report

QUERY = "encoder.layer.0.attention.self.query.weight"


@pytest.mark.usefixtures("settled")
def test_the_page_and_its_report_lie_beside_the_file(tuned: Path, base: Path, tmp_path: Path) -> None:
    words = ["ken", str(tuned), "--base", str(base), "-o", str(tmp_path / "a.ken.safetensors"), "--keep", "0.25"]
    assert cli.main([*words, "--report-page", "--quiet"]) == 0
    found = json.loads((tmp_path / "a.ken.report.json").read_text())
    (query,) = [each for each in found["matrices"] if each["name"] == PREFIX + QUERY]
    after = tensors_of(prunec.apply_ken(tmp_path / "a.ken.safetensors", base, tmp_path / "restored"))[PREFIX + QUERY]
    before, whole = tensors_of(base)[QUERY], tensors_of(tuned)[PREFIX + QUERY]
    assert query["kept"] == int((after != before).sum()) == sum(query["neighbours"])
    assert query["change_kept"] == pytest.approx(float((after.double() - before.double()).square().sum()))
    assert query["change"] == pytest.approx(float((whole.double() - before.double()).square().sum()))
    assert PREFIX + QUERY in (tmp_path / "a.ken.report.html").read_text()


def test_the_page_of_a_ken_file_is_not_that_of_an_artifact_beside_it(tuned: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "task.report.json").touch()
    prunec.ken(tuned, base, tmp_path / "task.ken", page=True)
    prunec.ken(tuned, base, tmp_path / "task.ken", keep=[0.25], page=True)
    assert {path.name for path in tmp_path.glob("*.report.*")} == {
        "task.report.json",
        *(f"{name}.report.{suffix}" for name in ("task.ken", "task-0.25.ken") for suffix in ("json", "html")),
    }


@pytest.mark.usefixtures("settled")
def test_the_page_is_drawn_again(tuned: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prunec.ken(tuned, base, tmp_path / "a.safetensors", page=True)
    first = (tmp_path / "a.report.html").read_text()
    assert cli.main(["report", str(tmp_path / "a.report.json"), "--force"]) == 0
    assert (tmp_path / "a.report.html").read_text() == first
    assert "a.report.json: 0.5 of the entries of each row stay, by faithful" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 1}, "it has version 1, and this prunec reads"),
        ({"stayed": "many"}, "KenReport.stayed is str, not int"),
        ({"matrices": []}, "does not say where entries stay"),
    ],
)
def test_reports_that_cannot_be_drawn_are_named(changed: dict[str, object], message: str, tmp_path: Path) -> None:
    held = json.loads(report(matrix("a")).to_json())
    (tmp_path / "a.json").write_text(json.dumps(held | changed))
    with pytest.raises(InputError, match=message):
        read_ken(tmp_path / "a.json")


def test_a_page_that_is_there_is_not_replaced(tuned: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "a-0.5.report.html").touch()
    with pytest.raises(InputError, match=r"a-0\.5\.report\.html exists already"):
        prunec.ken(tuned, base, tmp_path / "a.safetensors", keep=[0.1, 0.5], page=True)
    assert not list(tmp_path.glob("*.safetensors"))
