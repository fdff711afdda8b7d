"""Products are rounded by ONNX Runtime's tools, each as the numerics say, and nothing else is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.backends.onnx.halve import halved
from prunec.backends.onnx.quantise import saturates
from prunec.calibration.rounding import by_tensor
from prunec.cost.numerics import Numerics
from prunec.frontends.huggingface import load
from prunec.frontends.module import trace
from prunec.ir.past import completed
from prunec.ir.products import products
from prunec.ir.program import Program
from tests.architectures import ARCHITECTURES
from tests.backends.agreement import WORKLOAD
from tests.programs import program_from_module
from tests.test_bad_input import raising


class Tied(nn.Module):
    """A table, a map with a bias, and a head that shares the table's matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.map = nn.Embedding(40, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, 40, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.head(torch.relu(self.map(self.table(ids))))
        return result


class Flat(nn.Module):
    """Products of `[tokens, features]`, two of them with one matrix, of which `[batch, tokens, features]` has one."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.map = nn.Embedding(40, 16), nn.Linear(16, 16)
        self.turned = nn.Parameter(torch.randn(16, 16) / 4)
        self.offset = nn.Parameter(torch.randn(16))

    def forward(self, ids: Tensor) -> Tensor:
        rows = self.map(self.table(ids)).reshape(-1, 16)
        rows = torch.addmm(self.offset, self.map(torch.relu(self.map(rows))), self.turned)
        return rows.reshape(*ids.shape, 16)


@pytest.fixture(scope="module")
def tied() -> Program:
    ids = torch.arange(12).view(2, 6)
    return program_from_module(Tied(), {"ids": ids}, {"ids": {0: "batch", 1: "sequence"}})


def emitted(program: Program, path: Path, numerics: Numerics, **settings: Any) -> onnx.ModelProto:
    OnnxBackend(numerics=numerics, **settings).emit(program, path)
    return onnx.load(path)


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node if "Mat" in node.op_type or node.op_type == "Gemm")


def share_off(program: Program, path: Path) -> float:
    """The size of the difference between artifact and program by that of the outputs."""
    ids = torch.randint(0, 40, (3, 9))
    got, wanted = (
        OnnxBackend().load(path, WORKLOAD)({"ids": ids.numpy()})["output"],
        program({"ids": ids})["output"].detach(),
    )
    return float(np.linalg.norm(got - wanted.numpy()) / wanted.norm())


@pytest.mark.parametrize(
    ("numerics", "found"),
    [
        (Numerics("int8"), {"MatMulInteger": 2}),
        (Numerics("int8", fine=frozenset({"map.weight"})), {"MatMulInteger": 1, "MatMulNBits": 1}),
        (Numerics("int8", fine=frozenset({"map.weight", "head.weight"})), {"MatMulNBits": 2}),
        (Numerics("int4"), {"MatMulNBits": 2}),
    ],
    ids=["int8", "one finer", "all finer", "int4"],
)
def test_each_product_is_rounded_as_asked(tied: Program, tmp_path: Path, numerics: Numerics, found: object) -> None:
    model = emitted(tied, tmp_path / "a.onnx", numerics)
    assert kinds(model) == found
    assert share_off(tied, tmp_path / "a.onnx") < (0.3 if numerics.dtype == "int4" else 0.03)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert {item.key for item in model.metadata_props} > {"prunec.version"}


NUMERICS = pytest.mark.parametrize(
    ("numerics", "rounded"),
    [
        (Numerics("int8"), {"MatMulInteger": 4}),
        (Numerics("int8", fine=frozenset({"map.weight"})), {"MatMulInteger": 1, "MatMulNBits": 3}),
        (Numerics("int4", fine=frozenset({"turned"})), {"MatMulNBits": 4}),
    ],
    ids=["int8", "one finer", "int4"],
)


@NUMERICS
def test_products_of_two_dimensions_are_rounded_too(tmp_path: Path, numerics: Numerics, rounded: object) -> None:
    ids = torch.arange(12).view(2, 6)
    program = program_from_module(Flat(), {"ids": ids}, {"ids": {0: "batch", 1: "sequence"}})
    model = emitted(program, tmp_path / "a.onnx", numerics)
    assert kinds(model) == rounded
    assert not {"map.weight", "map.weight.transposed", "turned"} & {item.name for item in model.graph.initializer}
    assert share_off(program, tmp_path / "a.onnx") < (0.3 if numerics.dtype == "int4" else 0.03)


@pytest.mark.parametrize(("dtype", "most"), [("int8", 0.1), ("int4", 0.5)])
@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_no_product_with_a_weight_stays_in_float32(name: str, dtype: str, most: float, tmp_path: Path) -> None:
    program = trace(ARCHITECTURES[name].model(), ARCHITECTURES[name].example(2, 7)).program
    model = emitted(program, tmp_path / "a.onnx", Numerics(dtype))
    found = kinds(model)
    assert found["MatMulInteger"] + found["MatMulNBits"] == len(products(program))
    assert found["Gemm"] == 0
    inputs = ARCHITECTURES[name].example(3, 9)
    got = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)({key: value.numpy() for key, value in inputs.items()})
    wanted = program(inputs)["logits"].detach()
    assert 0 < np.linalg.norm(got["logits"] - wanted.numpy()) / wanted.norm() < most


def test_fine_products_of_four_bits_have_eight(tied: Program, tmp_path: Path) -> None:
    model = emitted(tied, tmp_path / "a.onnx", Numerics("int4", fine=frozenset({"map.weight"})))
    bits = [item.i for node in model.graph.node for item in node.attribute if item.name == "bits"]
    assert sorted(bits) == [4, 8]


def test_the_table_that_is_looked_up_stays(tied: Program, tmp_path: Path) -> None:
    model = emitted(tied, tmp_path / "a.onnx", Numerics("int8"))
    types = {item.name: item.data_type for item in model.graph.initializer}
    (looked_up,) = (node.input[0] for node in model.graph.node if node.op_type == "Gather")
    assert types[looked_up] == onnx.TensorProto.FLOAT


def test_what_is_assumed_of_the_grids_is_what_they_are(tmp_path: Path) -> None:
    module = nn.Linear(32, 8, bias=False)
    program = program_from_module(module, {"input": torch.randn(2, 5, 32)}, {})
    emitted(program, tmp_path / "a.onnx", Numerics("int8"))
    value = torch.randn(2, 5, 32)
    got = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)({"input": value.numpy()})["output"]
    rows, weight = by_tensor(OnnxBackend().int8_steps)(value.view(10, 32), module.weight.detach())
    np.testing.assert_allclose(got.reshape(10, 8), (rows @ weight.T).numpy(), atol=1e-4)


def test_large_weights_go_beside_the_file(tied: Program, tmp_path: Path) -> None:
    emitted(tied, tmp_path / "a.onnx", Numerics("int8"), external_above=500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "a.onnx.data"]
    assert share_off(tied, tmp_path / "a.onnx") < 0.03


def test_sixteen_bits_are_those_of_weights_and_values(tied: Program, tmp_path: Path) -> None:
    OnnxBackend().emit(tied, tmp_path / "a.onnx")
    model = halved(tmp_path / "a.onnx")
    assert {item.data_type for item in model.graph.initializer if item.name.endswith("weight")} == {10}
    onnx.save(model, tmp_path / "b.onnx")
    assert share_off(tied, tmp_path / "b.onnx") < 0.01


def test_sixteen_bits_are_made_of_weights_larger_than_a_message(
    tied: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.transformers.float16.infer_shapes", raising(ValueError("exceeds 2 GiB")))
    emitted(tied, tmp_path / "a.onnx", Numerics("fp16"), external_above=500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "a.onnx.data"]
    assert share_off(tied, tmp_path / "a.onnx") < 0.01


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [("int8", 0.1), ("int4", 0.5), ("fp16", 0.01)])
def test_a_decoder_computes_in_fewer_bits(
    dtype: str, most: float, cached: bool, tiny_llama_dir: Path, tmp_path: Path
) -> None:
    """Shared keys, rotary embeddings and sizes are in operators that the tools know nothing of."""
    program = load(tiny_llama_dir, with_cache=cached).program
    OnnxBackend(numerics=Numerics(dtype)).emit(program, tmp_path / "a.onnx")
    inputs = dict(
        completed(
            program, {"input_ids": torch.randint(0, 50, (2, 9)), "attention_mask": torch.ones(2, 9, dtype=torch.long)}
        )
    )
    got = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)({name: value.numpy() for name, value in inputs.items()})
    wanted = program(inputs)["logits"].detach()
    assert 0 < np.linalg.norm(got["logits"] - wanted.numpy()) / wanted.norm() < most


def test_products_that_overflow_are_told_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Overflowing:
        def __init__(self, *arguments: object, **more: object) -> None: ...

        def run(self, names: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full(inputs["x"].shape, 32767 * 32)]

    saturates.cache_clear()
    monkeypatch.setattr("prunec.backends.onnx.quantise.ort.InferenceSession", Overflowing)
    assert saturates()
    saturates.cache_clear()
