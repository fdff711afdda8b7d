"""ONNX Runtime merges no addition into an operator that takes longer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx_ir as ir
import onnxruntime as ort
import pytest

from prunec.backends.onnx import OnnxBackend, optimise
from prunec.ir.program import Program

MERGED = {"SkipLayerNormalization", "BiasGelu"}


def as_run(program: Program, folder: Path) -> Counter[str]:
    """The operators that ONNX Runtime makes of the file, counted."""
    OnnxBackend().emit(program, folder / "a.onnx")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "run.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(folder / "a.onnx"), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in ir.load(folder / "run.onnx").graph)


def test_sums_before_normalisations_and_gelu_stay_on_their_own(bert: Program, tmp_path: Path) -> None:
    operators = as_run(bert, tmp_path)
    assert not MERGED & set(operators)
    assert operators["Sum"] == 3 * 2 + 2  # two sums and a bias a layer, the embeddings and the head


def test_onnx_runtime_merges_them_otherwise(bert: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimise, "keep_additions", lambda model: None)
    assert set(as_run(bert, tmp_path)) >= MERGED
