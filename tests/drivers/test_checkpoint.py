"""`--emit hf`: compiled into a checkpoint, and compiled again from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import prunec
from prunec.drivers.compiler import CompileResult
from prunec.errors import InputError
from prunec.report.data import Report

PASSES = (
    "structure, baseline{seconds=0}, cost, calibrate{score=256, choose=256, report=256}, importance{magnitude}, "
    "ranked, remove, recover{bias}, emit, verify{seconds=0}"
)
"""Repair gives biases to a model without."""


def compiled(model: Path, output: Path, budget: str) -> CompileResult:
    """A quick compile into a checkpoint."""
    made = prunec.compile(model, output, budget_params=budget, passes=PASSES, emit="hf", threads=1)
    assert isinstance(made, CompileResult)
    return made


@pytest.fixture(scope="module")
def slim(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    """A checkpoint of the tiny Llama."""
    return compiled(tiny_llama_dir, tmp_path_factory.mktemp("out") / "slim", "70k")


def difference(model: prunec.SlimModel, result: CompileResult) -> float:
    tokens = torch.randint(5, 280, (3, 11), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    with torch.no_grad():
        return float((model(**inputs).logits - result.program(inputs)["logits"]).abs().max())


def test_the_folder_holds_a_checkpoint_and_the_report_says_who_loads_it(slim: CompileResult) -> None:
    assert slim.artifact is not None
    folder = slim.artifact.parent
    names = {"config.json", "generation_config.json", "model.safetensors", "prunec.json", "report.json", "report.html"}
    assert {path.name for path in folder.iterdir()} == names | {"tokenizer.json", "tokenizer_config.json"}
    report = Report.from_json((folder / "report.json").read_text())
    assert report.checkpoint is not None
    assert report.checkpoint.why
    assert report.checkpoint.timed_on.startswith("onnxruntime")
    assert report.model.artifact_bytes == slim.artifact.stat().st_size
    assert "--emit hf" in report.command
    assert json.loads((folder / "config.json").read_text())["prunec"]["task"] == "text-generation"
    assert difference(prunec.load(folder), slim) <= 1e-5


def test_a_checkpoint_is_pruned_again_into_another(slim: CompileResult, tmp_path: Path) -> None:
    assert slim.artifact is not None
    again = compiled(slim.artifact.parent, tmp_path / "slimmer", "55k")
    assert again.report.model.parameters_dense == slim.program.parameter_count()
    assert again.program.parameter_count() <= 55_000
    assert difference(prunec.load(tmp_path / "slimmer"), again) <= 1e-5


@pytest.mark.parametrize("emit", ["hf", "artifact"])
def test_the_model_that_is_read_is_never_replaced(slim: CompileResult, emit: str) -> None:
    assert slim.artifact is not None
    folder = slim.artifact.parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"the model .* goes when .* is written. choose another --output"):
        prunec.compile(folder, f"{folder}/", budget_params="55k", emit=emit, force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_a_folder_is_written(tiny_llama_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--emit hf writes a folder, and slim.onnx is called as a file"):
        prunec.compile(tiny_llama_dir, tmp_path / "slim.onnx", speedup=2, emit="hf")


def test_a_module_without_a_folder_is_refused() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4))
    with pytest.raises(InputError, match="a checkpoint needs the folder of the model"):
        prunec.compile(model, "slim", speedup=2, emit="hf", example_inputs={"input": torch.ones(2, 4)})
