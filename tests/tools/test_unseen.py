"""Unseen text: what files are measured beside the dense one, which is run once where nothing else needs it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from prunec.backends.onnx import OnnxBackend
from prunec.cost import feeding
from prunec.cost.timer import Arrays, Runner
from prunec.cost.workload import Workload
from prunec.frontends.huggingface import load
from tools.bench import unseen
from tools.bench.unseen import TEXTS, Unseen

Asked = Counter[str]


def begun(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Unseen, Workload, Asked]:
    """Two short texts, and how often any file is asked."""
    asked: Asked = Counter()
    said = feeding.answers

    def count(runner: Runner, arrays: Arrays) -> object:
        asked["batches"] += 1
        return said(runner, arrays)

    monkeypatch.setattr(unseen, "answers", count)
    for text in TEXTS:
        (folder / f"{text}.txt").write_text("Sheep graze where the river bends, and nobody minds them. " * 400)
    loaded = load(model)
    return Unseen(loaded, folder, folder / "dense.onnx", 512), Workload.parse("prefill:1x128", 1), asked


def test_a_file_that_says_the_same_has_the_same_figure(
    tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, work, _ = begun(tiny_llama_dir, tmp_path, monkeypatch)
    other = tmp_path / "other.onnx"
    OnnxBackend().emit(own.loaded.program, other)
    found = own.figures(other, work)
    assert set(found) == set(TEXTS)
    assert all(slim == pytest.approx(dense) and dense > 1 for dense, slim in found.values())


def test_the_loss_of_the_dense_file_is_found_once(
    tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, work, asked = begun(tiny_llama_dir, tmp_path, monkeypatch)
    first = own.figures(None, work)
    once = asked["batches"]
    second = own.figures(own.dense_file(), work)
    assert asked["batches"] == 2 * once
    assert {name: dense for name, (dense, _) in second.items()} == {name: dense for name, (dense,) in first.items()}


def test_what_no_text_tells_is_compared_with_what_the_dense_file_says(
    tiny_bert_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _, asked = begun(tiny_bert_dir, tmp_path, monkeypatch)
    work = Workload.parse("encode:1x128", 1)
    own.figures(None, work)
    once = asked["batches"]
    found = own.figures(own.dense_file(), work)
    assert asked["batches"] == 3 * once
    assert own.goal.damage_unit == own.goal.report_unit
    assert all(figure == pytest.approx(0, abs=1e-6) for pair in found.values() for figure in pair)
