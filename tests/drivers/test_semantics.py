"""`prunec semantics` and `prunec.semantics`: answers by token, what a report's removal forgets, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

import prunec
from prunec import cli
from prunec.drivers.compiler import CompileResult
from prunec.errors import InputError
from prunec.report.codec import decode
from prunec.report.data import Report
from prunec.report.semantics import Semantics

CUT = (
    "structure, baseline{seconds=0}, cost, calibrate{score=512, choose=256, report=256}, importance{magnitude}, "
    "damage, knapsack, remove, settle{seconds=0}, recover{none}, emit, verify{seconds=0}, evaluate"
)

pytestmark = pytest.mark.usefixtures("settled")


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models need little text."""
    monkeypatch.setattr("prunec.drivers.attributor.TOKENS", 2048)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about the number {n * n % 97}." * 3 for n in range(120)))
    return path


@pytest.fixture(scope="module")
def slim(tiny_llama_dir: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    output = tmp_path_factory.mktemp("slim") / "slim.pt"
    return prunec.compile(tiny_llama_dir, output, budget_params="60k", passes=CUT, calibration=text, threads=1)


@pytest.fixture
def report(slim: CompileResult) -> Path:
    assert slim.artifact is not None
    return slim.artifact.with_name("slim.report.json")


@pytest.fixture
def spoil(report: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the report with changes."""

    def write(**changes: object) -> Path:
        path = tmp_path / "spoilt.report.json"
        changed = replace(Report.from_json(report.read_text()), **changes)  # type: ignore[arg-type]
        changed.write(path)
        return path

    return write


def test_answers_are_written_as_they_are_returned(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    found = prunec.semantics(tiny_llama_dir, text, path, top=3)
    assert decode(Semantics, path.read_text(encoding="utf-8")) == found
    assert [family.kind for family in found.families] == ["kv_group", "neuron"] * 3
    assert max(len(unit.tokens) for family in found.families for unit in family.answers) == 3
    assert 0.5 < found.covered <= 1
    assert json.loads(path.read_text())["covered"] == found.covered


def test_tokens_have_the_text_that_makes_them(tiny_llama_dir: Path, text: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_dir)
    found = prunec.semantics(tiny_llama_dir, text)
    spelled = {token.id: token.text for token in found.tokens}
    assert any(piece.startswith(" ") for piece in spelled.values())
    assert all(tokenizer(piece)["input_ids"] == [token] for token, piece in spelled.items())


def test_a_report_says_what_was_removed(slim: CompileResult, report: Path, tiny_llama_dir: Path, text: Path) -> None:
    found = prunec.semantics(tiny_llama_dir, text, report=report)
    kept = {layer.family: layer.slim_units for layer in slim.report.layers}
    for family in found.families:
        assert family.units - len(family.removed) == kept[family.name]
        assert set(slim.plan.units.get(family.name, ())) <= set(family.removed)
        assert not {unit.index for unit in family.after} & set(family.removed)
    assert all(token.forgotten is not None for token in found.tokens)
    assert found.report == str(report)


def test_a_sublayer_that_went_whole_is_lost_with_its_units(
    spoil: Callable[..., Path], slim: CompileResult, tiny_llama_dir: Path, text: Path
) -> None:
    layers = [replace(layer, slim_units=layer.dense_units, removed=(), dropped=False) for layer in slim.report.layers]
    layers[1] = replace(layers[1], slim_units=0, dropped=True)
    path = spoil(layers=tuple(layers), bypassed=(layers[1].sublayer,))
    found = prunec.semantics(tiny_llama_dir, text, report=path)
    assert [len(family.removed) for family in found.families] == [0, 96, 0, 0, 0, 0]
    for token in found.tokens:
        assert token.forgotten is not None
        assert token.forgotten.removed == token.forgotten.random


def test_reports_of_other_models_are_refused(
    spoil: Callable[..., Path], slim: CompileResult, report: Path, tiny_llama_dir: Path, tiny_bert_dir: Path, text: Path
) -> None:
    first, *others = slim.report.layers

    def refused(message: str, path: Path, model: Path = tiny_llama_dir) -> None:
        with pytest.raises(InputError, match=message):
            prunec.semantics(model, text, report=path)

    refused("the report has no units called bert", report, tiny_bert_dir)
    refused("has 3 units .* in the report and 2", spoil(layers=(replace(first, dense_units=3), *others)))
    refused("the model has no units called x", spoil(layers=(replace(first, family="x"), first, *others)))
    refused("do not fit the report's own counts", spoil(layers=(replace(first, removed=(1, 0)), *others)))
    refused("no sublayer called nowhere", spoil(bypassed=("nowhere",)))


def test_what_is_no_report_of_a_removal_is_refused(
    spoil: Callable[..., Path], slim: CompileResult, tiny_llama_dir: Path, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        prunec.semantics(tiny_llama_dir, text, report=tmp_path / "missing.report.json")
    with pytest.raises(InputError, match="not a prunec report"):
        prunec.semantics(tiny_llama_dir, text, report=text)
    whole = [replace(layer, slim_units=layer.dense_units, removed=(), dropped=False) for layer in slim.report.layers]
    with pytest.raises(InputError, match="removed nothing"):
        prunec.semantics(tiny_llama_dir, text, report=spoil(layers=tuple(whole), bypassed=()))


def test_a_model_without_a_tokenizer_is_refused(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(tiny_llama_dir, bare, ignore=shutil.ignore_patterns("token*"))
    with pytest.raises(InputError, match="has no tokenizer, so its tokens have no names"):
        prunec.semantics(bare, text)


def test_the_command_prints_a_page_or_json(
    report: Path,
    tiny_llama_dir: Path,
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    words = ["semantics", str(tiny_llama_dir), "--calibration", str(text), "--report", str(report)]
    path = tmp_path / "answers.json"
    assert cli.main([*words, "--top", "2", "-o", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "is forgotten first" in lines[0]
    assert sum(line.startswith(("forgotten", "kept best")) for line in lines) == 2
    assert lines[-1] == f"every unit and token: {path}"
    assert cli.main([*words, "--top", "2", "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert decode(Semantics, captured.out).families == decode(Semantics, path.read_text()).families
    assert not captured.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Missing option '--calibration'"),
        (["--calibration", "nowhere.txt"], "nowhere.txt"),
        (["--calibration", "TEXT", "--top", "0"], "the top 0 tokens are none"),
        (["--calibration", "TEXT", "-o", "answers.csv"], "answers are written as .json"),
        (["--calibration", "TEXT", "-o", "TEXT"], "answers are written as .json, not as text.txt"),
        (["--calibration", "SHORT"], "is too little to calibrate with"),
    ],
)
def test_bad_input_is_one_line(
    more: list[str],
    message: str,
    tiny_llama_dir: Path,
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("Too short.")
    paths = {"TEXT": str(text), "SHORT": str(short)}
    words = [paths.get(word, word) for word in more]
    assert cli.main(["semantics", str(tiny_llama_dir), "--quiet", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_an_existing_file_is_kept(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        prunec.semantics(tiny_llama_dir, text, path)
    assert path.read_text() == "mine"
    path.with_name("other.report.json").write_text("a report beside it is no matter")
    prunec.semantics(tiny_llama_dir, text, path.with_name("other.json"))
