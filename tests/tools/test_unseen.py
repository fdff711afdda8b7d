"""Unseen text: what files are measured beside the dense one, which is run once where nothing else needs it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from prunec.backends.onnx import OnnxBackend
from prunec.cost import feeding
from prunec.cost.timer import Arrays, Runner
from prunec.cost.workload import Workload
from prunec.frontends.huggingface import load
from tests.frontends.test_images import noise_image, tiny_dinov2
from tools.bench import unseen
from tools.bench.subjects import Subject
from tools.bench.unseen import Unseen

Asked = Counter[str]
TEXTS = "prose.txt", "verse.txt"


def begun(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Unseen, Workload, Asked]:
    """Two short texts, and how often any file is asked."""
    asked: Asked = Counter()
    said = feeding.answers

    def count(runner: Runner, arrays: Arrays) -> object:
        asked["batches"] += 1
        return said(runner, arrays)

    monkeypatch.setattr(unseen, "answers", count)
    for text in TEXTS:
        (folder / text).write_text("Sheep graze where the river bends, and nobody minds them. " * 400)
    return (
        Unseen(load(model), folder, Subject("", "", TEXTS), folder / "dense.onnx", 512),
        Workload.parse("prefill:1x128", 1),
        asked,
    )


def test_a_file_that_says_the_same_has_the_same_figure(
    tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, work, _ = begun(tiny_llama_dir, tmp_path, monkeypatch)
    other = tmp_path / "other.onnx"
    OnnxBackend().emit(own.loaded.program, other)
    found = own.figures(other, work)
    assert set(found) == {"prose", "verse"}
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


def test_pictures_are_compared_with_what_the_dense_file_says(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        noise_image(tmp_path / "pictures" / f"{number}.png", 40, 40)
    subject = Subject("", "", ("pictures",))
    own = Unseen(load(tiny_dinov2(tmp_path / "model")), tmp_path, subject, tmp_path / "dense.onnx")
    assert [len(batch["pixel_values"]) for batch in own.corpora["pictures"].report] == [4, 2]
    found = own.figures(own.dense_file(), Workload.parse("encode:1", 1))
    assert found["pictures"] == pytest.approx([1, 1], abs=1e-6)


def labelled(folder: Path, names: tuple[str, ...]) -> str:
    rows = [{"text": f"Sheep graze where {n} rivers bend. " * 30, "label": names[n % len(names)]} for n in range(60)]
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "labelled.jsonl"


def test_answers_of_a_classifier_are_counted(
    tiny_classifier_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen, "LABELLED", 8192)
    subject = Subject("", "", (labelled(tmp_path, ("law", "sport", "weather")),))
    own = Unseen(load(tiny_classifier_dir), tmp_path, subject, tmp_path / "dense.onnx", 512)
    work = Workload.parse("encode:1x128", 1)
    dense, slim = own.figures(own.dense_file(), work)["labelled"]
    right = own.right(own.dense_file(), work)["labelled"]
    assert own.goal.report_unit == "accuracy"
    assert right["count"] > 40
    assert dense == slim == pytest.approx(right["dense"] / right["count"])
    assert right["dense"] == right["file"] == right["both"]


def test_a_language_model_is_asked_where_there_are_questions(tiny_llama_dir: Path, tmp_path: Path) -> None:
    subject = Subject("", "", (), zero_shot=labelled(tmp_path, ("law", "sport")))
    own = Unseen(load(tiny_llama_dir), tmp_path, subject, tmp_path / "dense.onnx", 512)
    found = own.right(own.dense_file(), Workload.parse("prefill:1x128", 1))
    assert found == {"labelled": {"dense": 30, "file": 30, "both": 30, "count": 60}}


def test_features_have_no_right_answers(tiny_bert_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, _, _ = begun(tiny_bert_dir, tmp_path, monkeypatch)
    assert own.right(own.dense_file(), Workload.parse("encode:1x128", 1)) == {}
