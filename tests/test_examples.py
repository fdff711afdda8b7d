"""The examples do what they say."""

from __future__ import annotations

import json
import runpy
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from prunec.backends.onnx import OnnxBackend
from prunec.frontends.huggingface import load
from tests.conftest import ROOT

TEXT = "a sentence about the weather"


@pytest.fixture(scope="module")
def folder(tiny_classifier_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's artifact with config and tokenizer."""
    made = tmp_path_factory.mktemp("slim")
    OnnxBackend().emit(load(tiny_classifier_dir).program, made / "model.onnx")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(tiny_classifier_dir / name, made)
    return made


@pytest.fixture(scope="module")
def logits(tiny_classifier_dir: Path) -> torch.Tensor:
    """What transformers says to `TEXT`."""
    model = AutoModelForSequenceClassification.from_pretrained(tiny_classifier_dir)
    with torch.no_grad():
        found = model(**AutoTokenizer.from_pretrained(tiny_classifier_dir)(TEXT, return_tensors="pt")).logits[0]
    assert isinstance(found, torch.Tensor)
    return found


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "examples" / name))


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a running service."""
    with example("onnx_service.py")["server"](folder, 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_service_answers(address: str, logits: torch.Tensor) -> None:
    with urllib.request.urlopen(address, json.dumps({"text": TEXT}).encode(), timeout=30) as answer:
        found = json.load(answer)["labels"]
    assert list(found) == ["law", "sport", "weather"]
    np.testing.assert_allclose(list(found.values()), logits.softmax(-1), atol=1e-5)


def test_the_service_refuses_what_is_no_text(address: str) -> None:
    for body in (b"not JSON", b"[]", b"{}"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(address, body, timeout=30)


def test_the_service_refuses_a_text_that_is_too_long_and_says_why(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(address, json.dumps({"text": TEXT * 200}).encode(), timeout=30)
    assert "ONNXRuntimeError" in json.load(caught.value)["error"]


def test_the_service_gives_each_of_several_labels_a_probability_of_its_own(
    folder: Path, tmp_path: Path, logits: torch.Tensor
) -> None:
    several = shutil.copytree(folder, tmp_path / "several")
    config = json.loads((folder / "config.json").read_text())
    (several / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    found = example("onnx_service.py")["Model"](several)(TEXT)["labels"]
    np.testing.assert_allclose(list(found.values()), logits.sigmoid(), atol=1e-5)


def test_the_service_gives_the_number_of_a_model_that_has_one(
    tiny_classifier_dir: Path, folder: Path, tmp_path: Path
) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_classifier_dir, num_labels=1, ignore_mismatched_sizes=True
    )
    model.save_pretrained(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    OnnxBackend().emit(load(tmp_path, "text-classification").program, tmp_path / "model.onnx")
    with torch.no_grad():
        expected = model(**AutoTokenizer.from_pretrained(tiny_classifier_dir)(TEXT, return_tensors="pt")).logits
    answer = example("onnx_service.py")["Model"](tmp_path)(TEXT)
    assert answer["score"] == pytest.approx(float(expected), abs=1e-5)


def test_the_service_takes_no_mean_over_what_fills_a_text_up(tiny_bert_dir: Path, tmp_path: Path) -> None:
    loaded = load(tiny_bert_dir, "feature-extraction")
    OnnxBackend().emit(loaded.program, tmp_path / "model.onnx")
    shutil.copy(tiny_bert_dir / "config.json", tmp_path)
    filling = Tokenizer.from_file(str(tiny_bert_dir / "tokenizer.json"))
    filling.enable_padding(length=100)
    filling.save(str(tmp_path / "tokenizer.json"))
    inputs = AutoTokenizer.from_pretrained(tiny_bert_dir)(TEXT, return_tensors="pt")
    with torch.no_grad():
        expected = AutoModel.from_pretrained(tiny_bert_dir)(**inputs).last_hidden_state[0].mean(0)
    found = example("onnx_service.py")["Model"](tmp_path)(TEXT)["embedding"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_loop_computes_the_same_in_buffers_of_one_size(folder: Path, logits: torch.Tensor) -> None:
    parts = example("edge_loop.py")
    loop = parts["Loop"](folder, 40)
    loop("another one, which is longer than the first of them")
    np.testing.assert_allclose(loop(TEXT)[0], logits, atol=1e-4)
    first, second, said = parts["run"](folder, 40, [TEXT, "another one\n"])
    assert int(first) == int(logits.argmax())
    assert second in {"0", "1", "2"}
    assert said.startswith("2 lines, median ")


@pytest.mark.filterwarnings("default")
def test_the_pipeline_exports_a_pruned_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = example("export_pipeline.py")
    parts["main"](tmp_path / "slim.onnx")
    printed = capsys.readouterr().out.splitlines()[-1].split()
    left, whole = (int(word.replace(",", "")) for word in printed if word[0].isdigit())
    assert 0.4 * whole < left <= whole / 2
    session = onnxruntime.InferenceSession(tmp_path / "slim.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"events": np.zeros((3, 32), np.int64)})
    assert found.shape == (3, 32, 5)
