"""`prunec eval` measures artifacts as a plain loop over transformers' own model does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import prunec
from prunec import cli
from prunec.backends.onnx import OnnxBackend
from prunec.backends.torchscript import TorchScriptBackend
from prunec.calibration.totals import wilson
from prunec.errors import InputError
from prunec.frontends.huggingface import load

pytestmark = pytest.mark.usefixtures("settled")

WINDOW = 32
LABELS = ("law", "sport", "weather")


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the model in a folder, or that model with the weights of another seed, as an artifact."""

    @cache
    def emit(model: Path, name: str = "model.onnx", task: str | None = None, noise: float = 0.0) -> Path:
        program = load(model, task).program
        for tensor in program.tensors().values():
            if tensor.is_floating_point() and noise:
                tensor.data += noise * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))
        path = tmp_path_factory.mktemp("artifact") / name
        (OnnxBackend() if path.suffix == ".onnx" else TorchScriptBackend()).emit(program, path)
        return path

    return emit


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "eval.txt"
    path.write_text("\n\n".join(f"Paragraph {n} of a text about {n * n % 97}." * (1 + n % 3) for n in range(60)))
    return path


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "eval.jsonl"
    rows = [{"text": f"Row {n} of a text about {n * n % 97}." * (1 + n % 4), "label": LABELS[n % 3]} for n in range(50)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("name", ["model.onnx", "model.pt"])
def test_the_loss_is_that_of_all_the_text(
    name: str, tiny_llama_dir: Path, emitted: Callable[..., Path], text: Path
) -> None:
    found = prunec.evaluate(emitted(tiny_llama_dir, name), text, model=tiny_llama_dir, sequence=WINDOW, threads=1)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tiny_llama_dir),
        AutoTokenizer.from_pretrained(tiny_llama_dir),
    )
    tokens = tokenizer(text.read_text() + "\n\n", return_tensors="pt")["input_ids"][0]
    windows = tokens[: len(tokens) // WINDOW * WINDOW].view(-1, WINDOW)
    with torch.no_grad():
        logits = model(input_ids=windows).logits[:, :-1]
    expected = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    (row,) = found.rows
    assert found.metric == "cross-entropy, nats per token"
    assert row.items == windows[:, 1:].numel()
    assert row.text == str(text)
    assert row.artifact == pytest.approx(float(expected), rel=1e-5)
    assert row.dense == pytest.approx(float(expected), rel=1e-5)
    assert row.damage == pytest.approx(0, abs=1e-5)


def test_accuracy_has_its_interval(tiny_classifier_dir: Path, emitted: Callable[..., Path], labelled: Path) -> None:
    artifact = emitted(tiny_classifier_dir, noise=0.1)
    (row,) = prunec.evaluate(artifact, labelled, model=tiny_classifier_dir, threads=1).rows
    model = AutoModelForSequenceClassification.from_pretrained(tiny_classifier_dir)
    tokenizer = AutoTokenizer.from_pretrained(tiny_classifier_dir)
    hits = 0
    for line in labelled.read_text().splitlines():
        item = json.loads(line)
        with torch.no_grad():
            logits = model(**tokenizer(item["text"], truncation=True, max_length=128, return_tensors="pt")).logits
        hits += LABELS[int(logits.argmax())] == item["label"]
    assert (row.items, row.dense, row.dense_range) == (50, hits / 50, wilson(hits, 50))
    assert row.artifact_range[0] <= row.artifact <= row.artifact_range[1]
    assert row.damage is not None
    assert row.damage > 0


def test_features_are_compared_with_the_dense_model(
    tiny_bert_dir: Path, emitted: Callable[..., Path], text: Path
) -> None:
    artifact = emitted(tiny_bert_dir, task="feature-extraction", noise=0.1)
    options: dict[str, Any] = {"model": tiny_bert_dir, "task": "feature-extraction", "threads": 1}
    (row,) = prunec.evaluate(artifact, text, **options).rows
    model, tokenizer = AutoModel.from_pretrained(tiny_bert_dir), AutoTokenizer.from_pretrained(tiny_bert_dir)
    noisy = OnnxBackend().load(artifact, prunec.cost.workload.Workload("encode", 1, 8, 1))
    cosines = []
    for paragraph in text.read_text().split("\n\n"):
        ids = tokenizer(paragraph, return_tensors="pt")
        with torch.no_grad():
            dense: Tensor = model(**ids).last_hidden_state.mean(1)
        slim = torch.from_numpy(noisy({name: value.numpy() for name, value in ids.items()})["last_hidden_state"]).mean(
            1
        )
        cosines.append(float(functional.cosine_similarity(dense, slim)))
    assert row.items == len(cosines)
    assert row.artifact == pytest.approx(sum(cosines) / len(cosines), rel=1e-4)
    assert row.dense == pytest.approx(1)


def test_several_texts_have_a_line_each_and_one_for_all(
    tiny_llama_dir: Path, emitted: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.txt").write_text("Other words. " * 90)
    texts = {"a": text, "b": tmp_path / "b.txt"}
    options: dict[str, Any] = {"model": tiny_llama_dir, "sequence": WINDOW, "threads": 1}
    whole, first, second = prunec.evaluate(emitted(tiny_llama_dir), texts, **options).rows
    assert (whole.text, first.text, second.text) == ("a, b", "a", "b")
    assert whole.items == first.items + second.items
    both = first.artifact * first.items + second.artifact * second.items
    assert whole.artifact == pytest.approx(both / whole.items)


def test_a_part_of_the_text_is_drawn(tiny_llama_dir: Path, emitted: Callable[..., Path], text: Path) -> None:
    options: dict[str, Any] = {"model": tiny_llama_dir, "sequence": WINDOW, "threads": 1, "tokens": 4 * WINDOW}
    artifact = emitted(tiny_llama_dir)
    one, other = (prunec.evaluate(artifact, text, seed=seed, **options).rows[0] for seed in (0, 1))
    assert one.items == other.items == 4 * (WINDOW - 1)
    assert one.artifact != other.artifact


@pytest.fixture(scope="module")
def folder(tiny_classifier_dir: Path, emitted: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with its config and tokenizer."""
    made = tmp_path_factory.mktemp("slim")
    shutil.copy(emitted(tiny_classifier_dir), made)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (made / name).write_bytes((tiny_classifier_dir / name).read_bytes())
    return made


def test_a_folder_needs_no_model_where_the_text_says_what_is_right(
    folder: Path, tiny_classifier_dir: Path, labelled: Path
) -> None:
    (alone,) = prunec.evaluate(folder, labelled, threads=1).rows
    (beside,) = prunec.evaluate(folder, labelled, model=tiny_classifier_dir, threads=1).rows
    assert (alone.artifact, alone.artifact_range) == (beside.artifact, beside.artifact_range)
    assert (alone.dense, alone.damage) == (None, None)


def test_the_command_prints_a_line_for_each_text(
    folder: Path, labelled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["eval", str(folder), "--text", f"rows={labelled}", "--threads", "1", "-q"]) == 0
    heading, line, *notes = capsys.readouterr().out.splitlines()
    assert heading.split() == ["text", "items", "artifact", "95", "%"]
    assert line.split()[:2] == ["rows", "50"]
    assert notes[0] == "accuracy; higher is better"


def test_json_is_for_machines(folder: Path, labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", str(folder), "--text", str(labelled), "--threads", "1", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["metric"], found["rows"][0]["items"], found["model"]) == ("accuracy", 50, None)


def test_a_file_of_another_exporter(tiny_llama_dir: Path, text: Path, tmp_path: Path) -> None:
    """One that takes int32 tokens and positions, and no mask."""

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir)

        def forward(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
            answer: Tensor = self.model(input_ids=input_ids.long(), position_ids=position_ids, use_cache=False).logits
            return answer

    example = torch.randint(5, 90, (2, 7), dtype=torch.int32)
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        exported = torch.onnx.export(
            Plain().eval(),
            (example, torch.arange(7).expand(2, 7)),
            input_names=["input_ids", "position_ids"],
            output_names=["logits"],
            dynamic_shapes=(axes, axes),
            dynamo=True,
            verbose=False,
        )
    assert exported is not None
    exported.save(tmp_path / "other.onnx")
    (row,) = prunec.evaluate(tmp_path / "other.onnx", text, model=tiny_llama_dir, sequence=WINDOW, threads=1).rows
    assert row.damage == pytest.approx(0, abs=1e-5)


def newer(path: Path, folder: Path) -> Path:
    """A copy that says it is from a later day."""
    model = onnx.load(path)
    (item,) = [item for item in model.metadata_props if item.key == "prunec.version"]
    item.value = "99.0"
    onnx.save(model, folder / path.name)
    return folder / path.name


def test_an_artifact_of_a_newer_prunec(
    tiny_llama_dir: Path, emitted: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    path = newer(emitted(tiny_llama_dir), tmp_path)
    with pytest.raises(InputError, match=r"was written by prunec 99\.0, and this is"):
        prunec.evaluate(path, text, model=tiny_llama_dir)


def test_text_that_fills_no_window(tiny_llama_dir: Path, emitted: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("A few words.")
    with pytest.raises(
        InputError, match=r"few\.txt is too short: \d+ usable tokens, which do not fill a window of 128"
    ):
        prunec.evaluate(emitted(tiny_llama_dir), tmp_path / "few.txt", model=tiny_llama_dir, threads=1)


def test_a_model_that_it_was_not_made_from(
    tiny_llama_dir: Path, tiny_bert_dir: Path, emitted: Callable[..., Path], text: Path
) -> None:
    with pytest.raises(InputError, match="does not give last_hidden_state, but logits"):
        prunec.evaluate(emitted(tiny_llama_dir), text, model=tiny_bert_dir, task="feature-extraction", threads=1)


def test_a_vocabulary_that_is_too_small(
    tiny_llama_dir: Path, text: Path, emitted: Callable[..., Path], tmp_path: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir)
    model.resize_token_embeddings(40)
    model.save_pretrained(tmp_path / "small")
    with pytest.raises(InputError, match=r"the artifact does not take this text .*give the folder of the model"):
        prunec.evaluate(emitted(tmp_path / "small"), text, model=tiny_llama_dir, threads=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.onnx", "--model", "m"], "absent.onnx does not exist"),
        (["absent.onnx"], "nothing says which tokens absent.onnx takes. Give --model"),
        (["absent.gguf", "--model", "m"], "no backend writes absent.gguf"),
        (["EMPTY"], "holds no artifact (.onnx, "),
        (["absent.onnx", "--model", "m", "--tokens", "0"], "there are no tokens to measure on"),
        (["absent.onnx", "--model", "m", "--text", "x=absent.txt"], "of 2 "),
    ],
)
def test_what_cannot_be_measured_is_said(
    words: list[str], message: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path) if word == "EMPTY" else word for word in words]
    assert cli.main(["eval", *words, "--text", str(text), "-q"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_logits_of_the_last_token_alone_are_no_loss(
    tiny_llama_dir: Path, emitted: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    model = onnx.load(emitted(tiny_llama_dir))
    graph = model.graph
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = ["all" if name == "logits" else name for name in node.output]
    for name, value in (("from", -1), ("to", 2**31), ("along", 1)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), name))
    graph.node.append(onnx.helper.make_node("Slice", ["all", "from", "to", "along"], ["logits"]))
    output.type.tensor_type.shape.dim[1].Clear()
    onnx.save(model, tmp_path / "last.onnx")
    with pytest.raises(InputError, match="gives the logits of 1 of 32 tokens"):
        prunec.evaluate(tmp_path / "last.onnx", text, model=tiny_llama_dir, sequence=WINDOW, threads=1)
