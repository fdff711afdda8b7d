"""Programs become TorchScript files that compute the same at other shapes."""

from __future__ import annotations

import json
import operator
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from prunec.backends.torchfile import DESCRIPTION
from prunec.backends.torchscript import TorchScriptBackend
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.ir.program import Input, Program, Provenance, build_module
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs
from tests.programs import program_from_module

SHAPES = [(1, 1), (3, 4), (2, 31)]


@pytest.fixture(scope="module")
def emitted(text: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("torchscript") / "text.pt"
    TorchScriptBackend().emit(text, path)
    return path


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_the_file_computes_what_the_program_does(emitted: Path, text: Program, batch: int, length: int) -> None:
    assert_agrees(TorchScriptBackend().load(emitted, WORKLOAD), text, text_inputs(batch, length), 1e-6)


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_transformers_models(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program: Program = request.getfixturevalue(name)
    TorchScriptBackend().emit(program, tmp_path / "a.pt")
    runner = TorchScriptBackend().load(tmp_path / "a.pt", WORKLOAD)
    for batch, length in SHAPES:
        inputs = text_inputs(batch, length) | {"token_type_ids": torch.zeros(batch, length, dtype=torch.long)}
        assert_agrees(runner, program, inputs, 1e-5)


def test_programs_with_tensors_of_the_same_names_are_scripted_one_after_the_other(tmp_path: Path) -> None:
    for width in (4, 5):
        program = program_from_module(nn.Linear(width, 3), {"input": torch.randn(2, width)}, {"input": {0: "batch"}})
        TorchScriptBackend().emit(program, tmp_path / f"{width}.pt")
        assert_agrees(
            TorchScriptBackend().load(tmp_path / f"{width}.pt", WORKLOAD),
            program,
            {"input": torch.randn(7, width)},
            1e-6,
        )


class Sizes(nn.Module):
    """Arithmetic on sizes, infinities, lists with holes and several results."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        batch, length = x.shape[0], x.shape[1]
        rows = torch.arange(length - 1)
        low, high = x.split(2, -1)
        top, where = x.max(-1)
        return (
            x.reshape(batch * length, 4),
            x.new_full((batch, length // 2 + 1), float("-inf")),
            x[:, rows],
            low - high,
            top,
            where.to(torch.float32) * (length / batch),
        )


def test_sizes_are_computed_not_fixed(tmp_path: Path) -> None:
    program = program_from_module(Sizes(), {"x": torch.rand(2, 6, 4)}, {"x": {0: "batch", 1: "sequence"}})
    TorchScriptBackend().emit(program, tmp_path / "a.pt")
    runner = TorchScriptBackend().load(tmp_path / "a.pt", WORKLOAD)
    assert_agrees(runner, program, {"x": torch.rand(5, 9, 4)})


def test_what_torchscript_has_no_word_for_is_one_clear_line(tmp_path: Path) -> None:
    graph = fx.Graph()
    graph.output((graph.call_function(operator.matmul, (graph.placeholder("x"), 3j)),))
    item = Input("x", torch.float32, {})
    program = Program(build_module(graph, {}), (item,), ("y",), {"x": torch.rand(2)}, Provenance("", "", ""))
    with pytest.raises(VerificationError, match="cannot be written as TorchScript"):
        TorchScriptBackend().emit(program, tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


def test_inputs_and_outputs_are_in_the_file(emitted: Path) -> None:
    extra = {DESCRIPTION: ""}
    torch.jit.load(emitted, _extra_files=extra)
    described = json.loads(extra[DESCRIPTION])
    axes = ["batch", "sequence"]
    assert described["inputs"] == [["input_ids", "int64", axes], ["attention_mask", "int64", axes]]
    assert described["outputs"] == ["output_0", "output_1"]


def test_a_file_of_another_kind_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"not an archive")
    torch.jit.save(torch.jit.script(nn.Identity()), tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError, match=f"{name} is not a TorchScript file of prunec's"):
            TorchScriptBackend().load(tmp_path / name, WORKLOAD)
    with pytest.raises(InputError, match="does not exist"):
        TorchScriptBackend().load(tmp_path / "c.pt", WORKLOAD)


def test_threads_are_the_workloads_while_it_runs(emitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    before = torch.get_num_threads()
    runner = TorchScriptBackend().load(emitted, Workload("encode", 1, 8, before + 1))
    runner({name: value.numpy() for name, value in text_inputs(1, 3).items()})
    assert seen == [before + 1, before]


def test_the_runner_says_what_it_lacks(emitted: Path) -> None:
    with pytest.raises(VerificationError, match="attention_mask"):
        TorchScriptBackend().load(emitted, WORKLOAD)({"input_ids": text_inputs(1, 3)["input_ids"].numpy()})
