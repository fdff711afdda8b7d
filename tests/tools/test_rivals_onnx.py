"""Rivals that work on files: quantised ones still run and say nearly the same, and what did nothing is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunec.backends.onnx import OnnxBackend
from prunec.cost.workload import Workload
from tools.bench.rivals_onnx import EDITORS, smaller

WIDTH = 128


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """One product with a weight."""
    weight = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
    shape: list[str | int | None] = ["batch", WIDTH]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "weight")],
    )
    path = tmp_path / "dense.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_a_quantised_file_is_smaller_and_says_nearly_the_same(dense: Path, name: str) -> None:
    quantised = dense.with_name("quantised.onnx")
    onnx.save(EDITORS[name][1](dense, [], 1.0), quantised)
    work = Workload("encode", 4, 1, 1)
    inputs = {"x": np.random.default_rng(1).standard_normal((4, WIDTH)).astype(np.float32)}
    exact, found = (OnnxBackend().load(path, work)(inputs)["y"] for path in (dense, quantised))
    assert quantised.stat().st_size < dense.stat().st_size / 2
    assert 0 < np.abs(found - exact).max() < 0.3 * np.abs(exact).max()
    assert [path.name for path in dense.parent.iterdir() if path.suffix == ".int8"] == []


def test_a_tool_that_changed_nothing_has_failed(dense: Path) -> None:
    with pytest.raises(ValueError, match="unchanged"):
        smaller(dense, onnx.load(dense))
