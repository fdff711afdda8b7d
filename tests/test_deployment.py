"""`-o slim/` writes a folder with all that is deployed, whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForSequenceClassification, PreTrainedModel

import prunec
from prunec.drivers.compiler import CompileResult
from prunec.errors import InputError
from prunec.report.data import Report
from tests.test_bad_input import ROUND, raising


def compiled(model: Path | PreTrainedModel, output: Path | str, budget: str = "60k", **more: Any) -> CompileResult:
    """A quick compile."""
    made = prunec.compile(model, output, budget_params=budget, passes=ROUND, threads=1, **more)
    assert isinstance(made, CompileResult)
    return made


@pytest.fixture(scope="module")
def deployed(tiny_classifier_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier, cut, in a folder of its own."""
    model = shutil.copytree(tiny_classifier_dir, tmp_path_factory.mktemp("model") / "model")
    (model / "special_tokens_map.json").write_text("{}")
    (model / "code.py").write_text("raise SystemExit")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "code.Model"}}))
    folder = tmp_path_factory.mktemp("out") / "slim"
    result = compiled(model, f"{folder}/")
    assert result.artifact == folder / "model.onnx"
    return folder


def test_the_folder_holds_data_alone(deployed: Path) -> None:
    names = {"model.onnx", "report.json", "report.html", "config.json"}
    tokenizer = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert {path.name for path in deployed.iterdir()} == names | tokenizer
    assert [path.name for path in deployed.parent.iterdir()] == ["slim"]


def test_the_config_loads_and_says_what_is_left(deployed: Path, tiny_classifier_dir: Path) -> None:
    config, dense = AutoConfig.from_pretrained(deployed), AutoConfig.from_pretrained(tiny_classifier_dir)
    assert (config.architectures, config.id2label) == (dense.architectures, dense.id2label)
    assert not hasattr(config, "auto_map")
    said = config.prunec
    report = Report.from_json((deployed / "report.json").read_text())
    assert said["parameters"] == report.model.parameters_slim <= 60_000
    assert said["task"] == "text-classification"
    left = {layer.family: layer.slim_units for layer in report.layers if layer.slim_units < layer.dense_units}
    assert left
    assert {layer["name"]: layer["left"] for layer in said["layers"]} == left
    assert "dense model" in said["sizes"]


def test_the_tokenizer_loads_from_it(deployed: Path, tiny_classifier_dir: Path) -> None:
    text = "a text"
    assert AutoTokenizer.from_pretrained(deployed)(text) == AutoTokenizer.from_pretrained(tiny_classifier_dir)(text)


def test_the_report_repeats_the_command(deployed: Path) -> None:
    report = Report.from_json((deployed / "report.json").read_text())
    assert f"-o {deployed}/ " in report.command
    assert report.model.artifact == str(deployed / "model.onnx")
    assert report.model.artifact_bytes == (deployed / "model.onnx").stat().st_size


def test_where_nothing_is_removed_the_config_is_true(tiny_classifier_dir: Path, tmp_path: Path) -> None:
    compiled(tiny_classifier_dir, f"{tmp_path / 'slim'}/", "1B")
    said = json.loads((tmp_path / "slim" / "config.json").read_text())["prunec"]
    assert not said["layers"]
    assert said["sizes"].startswith("nothing was removed")


def test_an_earlier_folder_is_replaced_as_a_whole(tiny_classifier_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "slim"
    folder.mkdir()
    for name in ("report.json", "model.onnx.data", "vocab.txt"):
        (folder / name).write_text("old")
    compiled(tiny_classifier_dir, folder, force=True)
    assert {path.name for path in folder.iterdir()} >= {"model.onnx", "report.json", "tokenizer.json"}
    assert not {"model.onnx.data", "vocab.txt"} & {path.name for path in folder.iterdir()}
    assert list(tmp_path.iterdir()) == [folder]


def test_an_earlier_folder_with_a_cache_is_replaced(tiny_llama_dir: Path, tmp_path: Path) -> None:
    for _ in range(2):
        compiled(tiny_llama_dir, f"{tmp_path / 'slim'}/", "85k", kv_cache=True, force=True)
    assert (tmp_path / "slim" / "genai_config.json").is_file()


@pytest.mark.parametrize("broken", ["shutil.copyfile", "pathlib.Path.rename"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_an_earlier_folder_stays_as_it_was_when_the_new_one_fails(
    broken: str, error: BaseException, tiny_classifier_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "slim"
    folder.mkdir()
    (folder / "report.json").write_text("old")
    monkeypatch.setattr(broken, raising(error))
    with pytest.raises((KeyboardInterrupt, InputError)):
        compiled(tiny_classifier_dir, folder, force=True)
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_module_brings_its_config_and_no_files(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=90, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2)
    model = BertForSequenceClassification(config).eval()
    inputs = model.dummy_inputs
    batches = [{name: value.clone() for name, value in inputs.items()} for _ in range(6)]
    compiled(model, f"{tmp_path / 'slim'}/", "28k", example_inputs=inputs, batches=batches)
    assert {path.name for path in (tmp_path / "slim").iterdir()} == {
        "model.onnx",
        "report.json",
        "report.html",
        "config.json",
    }
    assert AutoConfig.from_pretrained(tmp_path / "slim").hidden_size == 32


def test_where_all_layers_keep_the_same_the_config_says_it(tiny_llama_dir: Path, tmp_path: Path) -> None:
    passes = ROUND.replace("knapsack", "same-shape")
    made = prunec.compile(tiny_llama_dir, f"{tmp_path / 'slim'}/", budget_params="85k", passes=passes)
    assert isinstance(made, CompileResult)
    config = json.loads((tmp_path / "slim" / "config.json").read_text())
    widths = [layer.slim_units for layer in made.report.layers if layer.unit == "neuron" and not layer.dropped]
    assert [config["intermediate_size"]] * config["num_hidden_layers"] == widths
    assert "of the slim model" in config["prunec"]["sizes"]
