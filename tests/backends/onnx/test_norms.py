"""Norms under means of which a part has gone keep the form that ONNX Runtime knows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from prunec.backends.onnx import OnnxBackend
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from tests.ir.sketch import Sketch

aten = torch.ops.aten
FUSED = "SimplifiedLayerNormalization"


def normalised(*, weight: str = "stored", shared: bool = False) -> Program:
    """Six features under a norm spelt out, with a weight, a computed one, or none."""
    sketch = Sketch()
    x = sketch.linear("up", sketch.input("x", 5, 4), 6, 4)
    mean = sketch(aten.mean.dim, sketch(aten.pow.Tensor_Scalar, x, 2), [-1], True)
    root = sketch(aten.rsqrt.default, sketch(aten.add.Tensor, mean, 0.1))
    rows = sketch(aten.mul.Tensor, x, root)
    if weight == "stored":
        rows = sketch(aten.mul.Tensor, sketch.weight("scale", 6), rows)
    elif weight == "one more":
        rows = sketch(aten.mul.Tensor, rows, sketch(aten.add.Tensor, sketch.weight("scale", 6), 1.0))
    down = sketch.linear("down", rows, 3, 6)
    return sketch.program(down, root) if shared else sketch.program(down)


def without(program: Program) -> Program:
    """The program without two of the features."""
    gone = np.array([1, 4])
    return slice_program(program, dict.fromkeys((("up", 0), ("scale", 0), ("down", 1)), gone))


def emitted(program: Program, folder: Path) -> tuple[Counter[str], np.ndarray]:
    """The operators of the program as ONNX Runtime runs it, and its result on the example."""
    path, optimised = folder / "model.onnx", folder / "optimised.onnx"
    OnnxBackend().emit(program, path)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    result = session.run(None, {name: value.numpy() for name, value in program.example.items()})[0]
    return Counter(node.op_type for node in onnx.load(optimised).graph.node), np.asarray(result)


@pytest.mark.parametrize("weight", ["stored", "one more"])
def test_a_norm_that_lost_features_is_still_known_and_right(weight: str, tmp_path: Path) -> None:
    slim = without(normalised(weight=weight))
    kinds, result = emitted(slim, tmp_path)
    assert kinds[FUSED] == 1
    assert kinds["ReduceMean"] == kinds["Mul"] == 0
    np.testing.assert_allclose(result, slim(slim.example)["output_0"], rtol=1e-4, atol=1e-5)


def test_where_the_root_is_read_elsewhere_the_factor_stays(tmp_path: Path) -> None:
    slim = without(normalised(shared=True))
    kinds, result = emitted(slim, tmp_path)
    assert kinds["ReduceMean"] == 1
    np.testing.assert_allclose(result, slim(slim.example)["output_0"], rtol=1e-4, atol=1e-5)


def test_a_norm_without_a_weight_is_right(tmp_path: Path) -> None:
    program = normalised(weight="none")
    slim = slice_program(program, {("up", 0): np.array([1, 4]), ("down", 1): np.array([1, 4])})
    _, result = emitted(slim, tmp_path)
    np.testing.assert_allclose(result, slim(slim.example)["output_0"], rtol=1e-4, atol=1e-5)
