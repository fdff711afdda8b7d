"""Exploring a path file: every command cuts what was promised, and what cannot be explored is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import prunec
from prunec import cli
from prunec.calibration.pathfile import Findings, load_findings, save_findings
from prunec.errors import InputError
from tests.drivers.test_paths import PASSES, PATH


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough text for `PASSES`."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


@pytest.fixture(scope="module")
def kept(tiny_llama_dir: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of scores and damage."""
    file = tmp_path_factory.mktemp("path") / "slim.path.safetensors"
    search = PASSES[: PASSES.index(", remove")].replace("knapsack", f"save-path{{{file}}}, knapsack")
    prunec.compile(tiny_llama_dir, budget_params="90k", passes=search, calibration=text, threads=1)
    return file


def test_the_command_of_a_budget_cuts_what_the_page_shows(
    kept: Path, tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    found = prunec.explore(kept)
    assert (found.unit, found.source, found.workload) == ("parameters", str(tiny_llama_dir), None)
    assert found.stops[-1].kept == tuple(part.units for part in found.parts)
    stop = found.stops[len(found.stops) // 2]
    words = shlex.split(stop.command)
    assert words == ["prunec", str(tiny_llama_dir), "-o", "slim.onnx", *words[4:6], "--path", str(kept)]
    assert words[4] == "--budget-params"
    passes = PASSES.replace("importance, damage", f"load-path{{{kept}}}")
    cut = prunec.compile(tiny_llama_dir, budget_params=words[5], passes=passes, calibration=text, threads=1)
    assert tuple(layer.slim_units for layer in cut.report.layers) == stop.kept
    assert cut.report.bypassed == stop.bypassed
    assert cut.plan.predicted_damage == stop.damage
    assert cut.report.model.parameters_slim == stop.parameters


def test_with_the_model_budgets_are_of_time(kept: Path, tiny_llama_dir: Path, tmp_path: Path) -> None:
    page = tmp_path / "times.html"
    found = prunec.explore(kept, page, model=tiny_llama_dir, workload="prefill:1x16", threads=1)
    assert (found.unit, found.workload, found.source) == ("ms", "prefill:1x16", str(tiny_llama_dir))
    assert all(stop.latency_ms is not None and stop.latency_ms <= stop.budget for stop in found.stops)
    command = found.stops[0].command
    assert f"--budget-latency {found.stops[0].budget:.12g}ms" in command
    assert "--workload prefill:1x16 --threads 1" in command.replace("  ", " ")
    assert "latency, predicted" in page.read_text(encoding="utf-8")


def test_the_command_writes_the_kind_of_file_that_was_timed(kept: Path, tiny_llama_dir: Path) -> None:
    found = prunec.explore(kept, model=tiny_llama_dir, workload="prefill:1x16", backend="torchscript", threads=1)
    assert shlex.split(found.stops[0].command)[2:4] == ["-o", "slim.pt"]


def test_a_path_over_other_kinds_of_units_is_cut_by_a_pipeline_that_looks_for_them(
    tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    file = tmp_path / "slim.path.safetensors"
    passes = f"structure{{kinds=neuron|vo_dim}}, calibrate{{score=512}}, {PATH}, save-path{{{file}}}"
    prunec.compile(tiny_llama_dir, budget_params="90k", passes=passes, calibration=text, threads=1)
    found = prunec.explore(file)
    assert (found.search, found.objective) == ("path", "")
    assert {part.kind for part in found.parts} == {"neuron", "vo_dim"}
    assert all(stop.damage is None for stop in found.stops)
    stop = found.stops[len(found.stops) // 2]
    *_, option, budget, name, passes = shlex.split(stop.command)
    assert (option, name) == ("--budget-params", "--passes")
    assert f"load-path{{{file}}}, path, remove" in passes
    search = passes[: passes.index(", remove")].replace("calibrate, ", "").replace("baseline", "baseline{seconds=0}")
    cut = prunec.compile(tiny_llama_dir, budget_params=budget, passes=search, threads=1)
    assert tuple(layer.slim_units for layer in cut.report.layers) == stop.kept


def test_what_cannot_be_explored_is_refused(kept: Path, tiny_bert_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is of another model"):
        prunec.explore(kept, model=tiny_bert_dir, threads=1)
    with pytest.raises(InputError, match="--workload is given, and no model"):
        prunec.explore(kept, workload="prefill:1x16")
    with pytest.raises(InputError, match="--backend is given, and no model"):
        prunec.explore(kept, backend="onnx")
    older, known = tmp_path / "older.safetensors", load_findings(kept)
    save_findings(Findings(known.weights, known.units, known.source, known.facts), older)
    with pytest.raises(InputError, match="does not say what its parts count"):
        prunec.explore(older)
    with pytest.raises(InputError, match="cannot be read"):
        prunec.explore(Path(__file__))


@pytest.mark.usefixtures("settled")
def test_the_command_writes_a_page_beside_the_file_and_json_instead(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = kept.with_suffix(".html")
    assert cli.main(["explore", str(kept), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert not page.exists()
    assert cli.main(["explore", str(kept), "-q"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{len(printed['stops'])} budgets from ")
    assert out[1] == f"page: {page}"
    assert printed["stops"][0]["command"] in page.read_text(encoding="utf-8").replace("&#34;", '"')
    assert cli.main(["explore", str(kept)]) == 2
    assert "exists already" in capsys.readouterr().err
