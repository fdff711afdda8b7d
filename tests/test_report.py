"""`prunec report`: pages of reports, and what is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prunec import cli
from prunec.report.data import BudgetOutcome
from prunec.report.latency import Latency, Measured
from prunec.report.terminal import headline
from tests.report.samples import report

SAMPLE = report()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slim.report.json"
    SAMPLE.write(path)
    return path


@pytest.fixture
def faster(tmp_path: Path) -> Path:
    """A report of the same model, cut further."""
    dense, slim = Measured(31.0, 30.8, 32.1, 60), Measured(12.4, 12.2, 13.5, 60)
    budget = BudgetOutcome("latency_ms", 12.5, "ms", 12.5, 12.4)
    path = tmp_path / "faster.report.json"
    replace(SAMPLE, latency=Latency(dense, slim, 2.5, 12.3, 8.2), budget=budget).write(path)
    return path


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line that says why."""
    assert cli.main(["report", *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


def test_the_page_lies_beside_its_report(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(file)]) == 0
    page = file.with_suffix(".html")
    assert headline(SAMPLE) in page.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{file}: {headline(SAMPLE)}\npage: {page}\n"


def test_a_folder_has_its_page_in_it_or_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "slim").mkdir()
    SAMPLE.write(tmp_path / "slim/report.json")
    assert cli.main(["report", str(tmp_path / "slim")]) == 0
    assert cli.main(["report", str(tmp_path / "slim"), "-o", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "slim/report.html").read_text() == (tmp_path / "other.html").read_text()


def test_a_page_is_replaced_by_force_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = file.with_suffix(".html")
    page.write_text("mine")
    assert "slim.report.html exists already" in refused([str(file)], capsys)
    assert page.read_text() == "mine"
    assert cli.main(["report", str(file), "--force"]) == 0
    assert page.read_text() != "mine"


def test_several_reports_make_one_page(file: Path, faster: Path, tmp_path: Path) -> None:
    page = tmp_path / "all.html"
    assert cli.main(["report", str(file), str(faster), "-o", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "nats per token on news, against latency" in text
    assert text.count("<article>") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing argument 'REPORT'"),
        (["FOLDER"], "report.json cannot be read"),
        (["nowhere.report.json"], "nowhere.report.json cannot be read"),
        (["FILE", "-o", "page.pdf"], "pages are written as .html, not as page.pdf"),
        (["FILE", "-o", "nowhere/page.html"], "the output folder nowhere does not exist"),
        (["FILE", "FASTER"], "a page of 2 reports has no name"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    message: str,
    file: Path,
    faster: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = {"FILE": file, "FASTER": faster, "FOLDER": tmp_path_factory.mktemp("empty")}
    assert message in refused([str(paths.get(word, word)) for word in words], capsys)


def test_a_refused_report_leaves_no_page(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SAMPLE.to_json().replace('"schema": 3', '"schema": 4'))
    assert "the report has schema 4" in refused([str(file)], capsys)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_drawing_needs_no_torch(file: Path) -> None:
    code = (
        f"import sys; from prunec.cli import main; code = main(['report', {str(file)!r}]); "
        "sys.exit(code or len({'torch', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0
