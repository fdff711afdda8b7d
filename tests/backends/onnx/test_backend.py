"""Programs become ONNX files that compute the same at other shapes, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
import torch
from onnx.external_data_helper import uses_external_data
from torch import Tensor, nn

import prunec
from prunec.backends.onnx import OnnxBackend
from prunec.cost.numerics import Numerics
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.facts import Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs
from tests.programs import program_from_module

SHAPES = [(1, 1), (3, 4), (2, 31)]


@pytest.fixture(scope="module")
def emitted(text: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "text.onnx"
    OnnxBackend().emit(text, path)
    return path


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_the_file_computes_what_the_program_does(emitted: Path, text: Program, batch: int, length: int) -> None:
    assert_agrees(OnnxBackend().load(emitted, WORKLOAD), text, text_inputs(batch, length))


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_transformers_models(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program: Program = request.getfixturevalue(name)
    OnnxBackend().emit(program, tmp_path / "a.onnx")
    runner = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)
    for batch, length in SHAPES:
        inputs = text_inputs(batch, length) | {"token_type_ids": torch.zeros(batch, length, dtype=torch.long)}
        assert_agrees(runner, program, inputs)


def test_scores_keep_their_scale_without_some_dims_of_queries(llama: Program, tmp_path: Path) -> None:
    (structure,) = StructurePass(("qk_dim",)).run(llama, Facts(), Context(tmp_path, tmp_path)).facts
    assert isinstance(structure, Structure)
    slim = slim_program(llama, structure, Plan({structure.families[0].name: (0, 3, 4)}))
    OnnxBackend().emit(slim, tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), slim, text_inputs(3, 9))


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_layers_with_unequal_heads_and_widths(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program: Program = request.getfixturevalue(name)
    (structure,) = StructurePass().run(program, Facts(), Context(tmp_path, tmp_path)).facts
    assert isinstance(structure, Structure)
    heads = [item.name for item in structure.families if item.kind in ("head", "kv_group")]
    neurons = [item.name for item in structure.families if item.kind == "neuron"]
    slim = slim_program(program, structure, Plan({heads[0]: (0,), neurons[1]: tuple(range(0, 40, 3))}))
    OnnxBackend().emit(slim, tmp_path / "a.onnx")
    runner = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)
    for batch, length in SHAPES:
        inputs = text_inputs(batch, length) | {"token_type_ids": torch.zeros(batch, length, dtype=torch.long)}
        assert_agrees(runner, slim, inputs)


@pytest.mark.parametrize("opset", [17, 24])
def test_an_opset_that_is_not_known_is_refused(opset: int) -> None:
    with pytest.raises(InputError, match=f"opset {opset} cannot be written: prunec knows 18 to 23"):
        OnnxBackend().at(Numerics(opset=opset))


def test_an_opset_that_is_asked_for_is_a_runtime_of_its_own() -> None:
    asked = OnnxBackend().at(Numerics(opset=20))
    assert asked.runtime == f"{OnnxBackend().runtime}, opset 20"


def test_every_opset_that_is_offered(text: Program, tmp_path: Path) -> None:
    for opset in (18, 21, 23):
        OnnxBackend().at(Numerics(opset=opset)).emit(text, tmp_path / "a.onnx")
        assert ir.load(tmp_path / "a.onnx").opset_imports[""] == opset
        assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), text, text_inputs(2, 9))


def test_names_axes_and_origin_are_in_the_file(emitted: Path) -> None:
    model = ir.load(emitted)
    shapes = {value.name: [str(size) for size in value.shape or ()]
              for value in (*model.graph.inputs, *model.graph.outputs)}  # fmt: skip
    assert shapes == {
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
        "output_0": ["batch", "sequence", "50"],
        "output_1": ["batch", "16"],
    }
    assert (model.producer_name, model.producer_version) == ("prunec", prunec.__version__)
    assert model.metadata_props["prunec.model_class"] == "Text"


def test_weights_keep_their_names_and_tied_ones_are_stored_once(emitted: Path) -> None:
    tensors = [value for value in ir.load(emitted).graph.initializers.values() if value.const_value is not None]
    tables = [value.name for value in tensors if list(value.const_value.shape) == [50, 16]]  # type: ignore[union-attr]
    assert tables == ["embedding.weight"]
    assert {"attentions.1.qkv.weight.transposed", "ups.0.bias"} <= {value.name for value in tensors}


def test_large_weights_go_beside_the_file(text: Program, tmp_path: Path) -> None:
    path = tmp_path / "big.onnx"
    OnnxBackend(external_above=1000).emit(text, path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["big.onnx", "big.onnx.data"]
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    assert next(tensor.external_data[0].value for tensor in tensors if uses_external_data(tensor)) == "big.onnx.data"
    assert_agrees(OnnxBackend().load(path, WORKLOAD), text, text_inputs(3, 4))


class Same(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        doubled = 2 * x
        return x, doubled, doubled


def test_outputs_that_are_inputs_or_each_other_keep_their_names(tmp_path: Path) -> None:
    program = program_from_module(Same(), {"x": torch.rand(2, 3)}, {"x": {0: "batch"}})
    OnnxBackend().emit(program, tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), program, {"x": torch.rand(5, 3)})


class Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.aten._cdist_forward(x * self.scale, x, 3.0, None)
        return result


def test_what_onnx_has_no_word_for_is_one_clear_line(tmp_path: Path) -> None:
    program = program_from_module(Distances(), {"x": torch.rand(4, 3)}, {})
    said = r"cannot be translated to ONNX \(aten._cdist_forward.default near scale has no translation\). emit a .pt"
    with pytest.raises(VerificationError, match=said) as caught:
        OnnxBackend().emit(program, tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("end", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_an_end_halfway_leaves_the_old_file(
    end: BaseException, text: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")

    def save(model: ir.Model, part: Path, **options: Any) -> None:
        part.write_bytes(b"half")
        raise end

    monkeypatch.setattr(ir, "save", save)
    wanted = InputError if isinstance(end, OSError) else KeyboardInterrupt
    with pytest.raises(wanted):
        OnnxBackend().emit(text, path)
    assert [item.name for item in tmp_path.iterdir()] == ["a.onnx"]
    assert path.read_bytes() == b"old"


def test_a_file_that_breaks_the_standard_is_not_kept(
    text: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ir, "save", lambda model, part, **options: part.write_bytes(b"\x08\x01"))
    with pytest.raises(VerificationError, match="breaks the ONNX standard"):
        OnnxBackend().emit(text, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_loaded_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"cannot load .*a\.onnx"):
        OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)
    with pytest.raises(InputError, match="does not exist"):
        OnnxBackend().load(tmp_path / "b.onnx", WORKLOAD)


def test_the_runner_takes_what_it_needs_and_says_what_it_lacks(emitted: Path) -> None:
    runner = OnnxBackend().load(emitted, WORKLOAD)
    inputs = {name: value.numpy() for name, value in text_inputs(1, 3).items()}
    assert set(runner(inputs | {"position_ids": inputs["input_ids"]})) == {"output_0", "output_1"}
    with pytest.raises(VerificationError, match="attention_mask"):
        runner({"input_ids": inputs["input_ids"]})


def test_threads_are_the_workloads(emitted: Path) -> None:
    runner = OnnxBackend().load(emitted, Workload("encode", 1, 8, 2))
    options = runner.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


def test_nothing_is_printed(text: Program, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    OnnxBackend().emit(text, tmp_path / "a.onnx")
    assert capfd.readouterr() == ("", "")
