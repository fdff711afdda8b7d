"""`prunec run` says what transformers' own model says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
)

from prunec import cli
from prunec.backends.onnx import OnnxBackend
from prunec.backends.torchscript import TorchScriptBackend
from prunec.cost.timer import Arrays, Runner
from prunec.drivers.answerer import Answerer
from prunec.errors import InputError
from prunec.frontends.huggingface import load

pytestmark = pytest.mark.usefixtures("settled")

TEXT = "Paragraph 7 of a text"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a folder with a model's artifact, config and tokenizer."""

    def make(model: Path, task: str | None = None) -> Path:
        made = tmp_path_factory.mktemp("slim")
        OnnxBackend().emit(load(model, task).program, made / "model.onnx")
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(model / name, made)
        return made

    return make


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path, folder: Callable[..., Path]) -> Path:
    return folder(tiny_llama_dir)


def continued(model_dir: Path, tokens: int) -> str:
    """What transformers' greedy search makes of `TEXT`."""
    tokenizer, model = AutoTokenizer.from_pretrained(model_dir), AutoModelForCausalLM.from_pretrained(model_dir)
    model.generation_config = GenerationConfig(do_sample=False, max_new_tokens=tokens, eos_token_id=2, pad_token_id=0)
    ids = tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False)
    written = model.generate(**ids)[0][ids["input_ids"].shape[1] :]  # type: ignore[misc]
    return str(tokenizer.decode(written, skip_special_tokens=True))


class Counting:
    """Notes how many tokens another runner is given at a time."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.feeds, self.fed = runner, runner.feeds, list[int]()

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        self.fed.append(inputs["input_ids"].shape[1])
        return self.runner(inputs)


def test_the_continuation_is_the_most_likely_one(llama: Path, tiny_llama_dir: Path) -> None:
    pieces: list[str] = []
    found = Answerer.open(llama, threads=1).answer(TEXT, 24, pieces.append)
    assert found.text == "".join(pieces) == continued(tiny_llama_dir, 24)
    assert found.generated == 24
    assert len(pieces) > 1


def test_a_graph_with_a_cache_says_the_same(tiny_llama_dir: Path, tmp_path: Path) -> None:
    program = load(tiny_llama_dir, with_cache=True).program
    assert program.caches
    TorchScriptBackend().emit(program, tmp_path / "cached.pt")
    answerer = Answerer.open(tmp_path / "cached.pt", tiny_llama_dir, threads=1)
    counting = Counting(answerer.runner)
    assert replace(answerer, runner=counting).answer(TEXT, 16).text == continued(tiny_llama_dir, 16)
    assert counting.fed[1:] == [1] * 15


def test_an_end_of_text_ends_it(llama: Path, tiny_llama_dir: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_dir)
    whole = Answerer.open(llama, threads=1).answer(TEXT, 24)
    third = tokenizer(whole.text)["input_ids"][2]
    shutil.copytree(llama, tmp_path / "slim")
    (tmp_path / "slim" / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, third]}))
    assert Answerer.open(tmp_path / "slim", threads=1).answer(TEXT, 24).generated <= 2


def test_what_the_model_takes_is_never_exceeded(llama: Path) -> None:
    found = Answerer.open(llama, threads=1).answer("word " * 60, 300)
    assert found.tokens + found.generated == 256


def test_a_graph_for_one_length_is_given_padding(llama: Path, tiny_llama_dir: Path, tmp_path: Path) -> None:
    graph = onnx.load(llama / "model.onnx")
    for item in graph.graph.input:
        for axis, size in zip(item.type.tensor_type.shape.dim, (2, 40), strict=True):
            axis.dim_value = size
    onnx.save(graph, tmp_path / "fixed.onnx")
    answerer = Answerer.open(tmp_path / "fixed.onnx", tiny_llama_dir, threads=1)
    assert answerer.answer(TEXT, 8).text == continued(tiny_llama_dir, 8)
    with pytest.raises(InputError, match="and the model takes 40"):
        answerer.answer("word " * 40)


def test_labels_have_probabilities(tiny_classifier_dir: Path, folder: Callable[..., Path]) -> None:
    found = Answerer.open(folder(tiny_classifier_dir), threads=1).answer(TEXT)
    tokenizer = AutoTokenizer.from_pretrained(tiny_classifier_dir)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_classifier_dir)
    with torch.no_grad():
        shares = model(**tokenizer(TEXT, return_tensors="pt")).logits.softmax(-1)[0].tolist()
    expected = sorted(zip(("law", "sport", "weather"), shares, strict=True), key=lambda pair: -pair[1])
    assert [label.name for label in found.labels] == [name for name, _ in expected]
    assert [label.probability for label in found.labels] == pytest.approx([share for _, share in expected], rel=1e-4)


def test_an_embedding_is_the_mean_over_tokens(tiny_bert_dir: Path, folder: Callable[..., Path]) -> None:
    task = "feature-extraction"
    found = Answerer.open(folder(tiny_bert_dir, task), task=task, threads=1).answer(TEXT)
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_bert_dir), AutoModel.from_pretrained(tiny_bert_dir)
    with torch.no_grad():
        expected = model(**tokenizer(TEXT, return_tensors="pt")).last_hidden_state.mean(1)[0]
    assert found.embedding == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_command_prints_the_text_as_it_comes(llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(llama), TEXT, "--tokens", "8", "--threads", "1", "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(TEXT + Answerer.open(llama, threads=1).answer(TEXT, 8).text + "\n")
    assert " tokens, 8 generated, " in out.splitlines()[-1]


def test_json_is_for_machines(llama: Path, tiny_llama_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", str(llama / "model.onnx"), "--tokenizer", str(tiny_llama_dir), TEXT, "--tokens", "4", "--json"]
    assert cli.main([*words, "--threads", "1", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], found["generated"]) == ("text-generation", 4)
    assert found["text"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.onnx", "a"], "nothing says which tokens absent.onnx takes. Give --tokenizer"),
        (["LLAMA", ""], "there are no tokens to run"),
        (["LLAMA", "a", "--tokens", "0"], "there are no tokens to run"),
        (["LLAMA", "a", "--task", "fill-mask"], "no way to show an answer for fill-mask"),
        (["LLAMA", "a", "--tokenizer", "EMPTY"], "no config.json in"),
        (["LLAMA", "a", "--task", "feature-extraction"], "does not give last_hidden_state, but logits. Look at --task"),
    ],
)
def test_what_cannot_be_run_is_said(
    words: list[str], message: str, llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"LLAMA": str(llama), "EMPTY": str(tmp_path)}
    assert cli.main(["run", *(places.get(word, word) for word in words), "-q"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_a_tokenizer_is_said(llama: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "config.json"):
        shutil.copy(llama / name, tmp_path)
    with pytest.raises(InputError, match="no tokenizer in"):
        Answerer.open(tmp_path)


def test_a_tokenizer_of_more_tokens_than_the_model_has(llama: Path, tiny_llama_dir: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir)
    model.resize_token_embeddings(40)
    model.save_pretrained(tmp_path / "small")
    OnnxBackend().emit(load(tmp_path / "small").program, tmp_path / "small.onnx")
    with pytest.raises(InputError, match=r"the artifact does not take this text .*give the folder of the model"):
        Answerer.open(tmp_path / "small.onnx", llama, threads=1).answer(TEXT)
