"""The command doing its real work: an artifact, a report, and what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from prunec import cli
from tests.test_bad_input import ROUND

VERIFY = "verify{seconds=1}, evaluate"

pytestmark = pytest.mark.usefixtures("settled")


def test_a_compile_without_any_text(tiny_bert_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tiny_bert_dir), "-o", str(tmp_path / "slim.onnx"), "--budget-params", "60k", "--passes", ROUND]
    assert cli.main([*words, "--threads", "1", "--verbose"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Budget held: 60.0 k parameters asked")
    assert (out + err).count("--calibration") == 2  # one warning on the page, one stage's own line
    assert out.count("--calibration FILE") == 1
    assert [line.split()[0] for line in err.splitlines() if line.startswith(("load ", "verify", "evaluate"))] == [
        "load",
        "verify",
        "evaluate",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"slim.onnx", "slim.report.json", "slim.report.html"}


def test_an_output_is_replaced_where_that_is_asked_for(
    tiny_bert_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slim.onnx").write_text("old")
    (tmp_path / "slim.report.json").write_text("old")
    words = [str(tiny_bert_dir), "-o", str(tmp_path / "slim.onnx"), "--budget-params", "60k", "--passes", ROUND]
    assert cli.main([*words, "--threads", "1", "--force", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "slim.report.json").read_text()) == printed
    assert onnx.load(tmp_path / "slim.onnx").producer_name == "prunec"
    assert {path.name for path in tmp_path.iterdir()} == {"slim.onnx", "slim.report.json", "slim.report.html"}


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_wait_without_spinning_unless_told_to(before: str | None, after: str) -> None:
    settle = "from prunec.cli.work import settle_libraries; settle_libraries(False)"
    code = f"import os; {settle}; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    given = {**environment, **({"OMP_WAIT_POLICY": before} if before else {})}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


@pytest.mark.real
def test_minilm_by_parameters(real_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = next((real_models / "text").glob("*.txt"))
    small = "calibrate{score=2048, choose=512, report=1024}, importance, damage{tokens=256}"
    passes = f"structure, baseline{{seconds=1}}, cost, {small}, knapsack, remove, recover, emit, {VERIFY}"
    words = [str(real_models / "minilm-l6"), "-o", str(tmp_path / "slim.onnx"), "--budget-params", "20M"]
    code = cli.main([*words, "--passes", passes, "--calibration", str(text), "--threads", "1"])
    assert code == 0
    assert "Budget held: 20.00 M parameters asked" in capsys.readouterr().out
    report = json.loads((tmp_path / "slim.report.json").read_text())
    assert report["budget"]["held"] is True
    assert 19e6 < report["model"]["parameters_slim"] <= 20e6
    assert report["model"]["artifact_bytes"] == (tmp_path / "slim.onnx").stat().st_size
    assert report["checks"]["slim_vs_masked"] < 1e-5
    assert report["checks"]["artifact_vs_slim"] < 1e-4
    assert report["latency"]["slim"]["median_ms"] < report["latency"]["dense"]["median_ms"]
    assert 0.85 < report["loss"]["texts"][0]["slim"] < 1.0
    assert report["data"]["description"] == str(text)
    onnx.checker.check_model(tmp_path / "slim.onnx")
