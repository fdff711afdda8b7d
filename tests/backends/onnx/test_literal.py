"""Without lossless rewrites a file is what was traced, operator by operator, and gives the same numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx_ir as ir
import pytest

from prunec.backends.onnx import OnnxBackend
from prunec.frontends.huggingface import load
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs


@pytest.fixture(scope="module")
def operators(tiny_llama_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Counter[str], Counter[str]]:
    """Of the usual file and of the one without rewrites; both agree with the program, but for what nobody reads."""
    program = load(tiny_llama_dir).program
    inputs = text_inputs(3, 9)
    inputs["attention_mask"][:] = 1  # torch's library gives positions that attend to nothing other values
    found = []
    for backend in (OnnxBackend(), OnnxBackend().literal()):
        path = tmp_path_factory.mktemp("files") / "a.onnx"
        backend.emit(program, path)
        assert_agrees(backend.load(path, WORKLOAD), program, inputs)
        found.append(Counter(node.op_type for node in ir.load(path).graph))
    return found[0], found[1]


def test_rotary_embedding_and_norms_stay_spelt_out(operators: tuple[Counter[str], Counter[str]]) -> None:
    usual, literal = operators
    assert usual["RotaryEmbedding"]
    assert not literal["RotaryEmbedding"]
    assert usual["Div"]
    assert not literal["Div"]
    assert literal["Neg"]
    assert not usual["Neg"]


def test_shared_keys_are_copied_and_sizes_computed(operators: tuple[Counter[str], Counter[str]]) -> None:
    usual, literal = operators
    assert literal["Expand"] > usual["Expand"]
    assert literal["Concat"] > usual["Concat"]
