"""Programs become torch.export files that compute the same at other shapes, and need no prunec."""

from __future__ import annotations

import json
import operator
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import fx

from prunec import catalogue
from prunec.backends import torchfile
from prunec.backends.torchexport import TorchExportBackend
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.frontends.huggingface import load
from prunec.ir.past import completed
from prunec.ir.program import Input, Program, Provenance, build_module
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs

SHAPES = [(1, 1), (3, 4), (2, 31)]


@pytest.fixture(scope="module")
def emitted(text: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "text.pt2"
    TorchExportBackend().emit(text, path)
    return path


def test_the_suffix_finds_it() -> None:
    assert catalogue.backend_for(Path("slim.pt2")) is TorchExportBackend


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_the_file_computes_what_the_program_does(emitted: Path, text: Program, batch: int, length: int) -> None:
    assert_agrees(TorchExportBackend().load(emitted, WORKLOAD), text, text_inputs(batch, length), 1e-6)


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_transformers_models(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program: Program = request.getfixturevalue(name)
    TorchExportBackend().emit(program, tmp_path / "a.pt2")
    runner = TorchExportBackend().load(tmp_path / "a.pt2", WORKLOAD)
    for batch, length in SHAPES:
        inputs = text_inputs(batch, length) | {"token_type_ids": torch.zeros(batch, length, dtype=torch.long)}
        assert_agrees(runner, program, inputs, 1e-5)


def test_a_key_value_cache_keeps_its_axes(tiny_llama_dir: Path, tmp_path: Path) -> None:
    program = load(tiny_llama_dir, with_cache=True).program
    TorchExportBackend().emit(program, tmp_path / "a.pt2")
    runner = TorchExportBackend().load(tmp_path / "a.pt2", WORKLOAD)
    for batch, length, past in [(1, 1, 5), (2, 3, 4), (3, 6, 0)]:
        inputs = text_inputs(batch, length) | {"attention_mask": torch.ones(batch, past + length, dtype=torch.long)}
        caches = {pair.past: torch.randn(batch, 2, past, 16) for pair in program.caches}
        assert_agrees(runner, program, dict(completed(program, inputs | caches)), 1e-5)


def test_it_runs_without_prunec(emitted: Path, text: Program) -> None:
    code = (
        "import sys, torch; found = torch.export.load(sys.argv[1]).module();"
        "ids = torch.arange(14).reshape(2, 7); print(found(ids, torch.ones_like(ids))[1].sum().item());"
        "assert not any(name.startswith('prunec') for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(emitted)], capture_output=True, text=True, check=True)
    ids = torch.arange(14).reshape(2, 7)
    with torch.no_grad():
        expected = text({"input_ids": ids, "attention_mask": torch.ones_like(ids)})["output_1"].sum()
    assert float(done.stdout) == pytest.approx(float(expected), abs=1e-5)


def test_what_cannot_be_exported_is_one_clear_line(tmp_path: Path) -> None:
    graph = fx.Graph()
    graph.output((graph.call_function(operator.matmul, (graph.placeholder("x"), 3j)),))
    item = Input("x", torch.float32, {})
    program = Program(build_module(graph, {}), (item,), ("y",), {"x": torch.rand(2)}, Provenance("", "", ""))
    with pytest.raises(VerificationError, match=r"cannot be exported by torch\.export"):
        TorchExportBackend().emit(program, tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.pt2").write_bytes(b"not an archive")
    torch.export.save(torch.export.export(torch.nn.Identity(), (torch.rand(2),)), tmp_path / "b.pt2")
    for name in ("a.pt2", "b.pt2"):
        with pytest.raises(InputError, match=f"{name} is not a torch.export file of prunec's"):
            TorchExportBackend().load(tmp_path / name, WORKLOAD)
    with pytest.raises(InputError, match="does not exist"):
        TorchExportBackend().load(tmp_path / "c.pt2", WORKLOAD)
    with pytest.raises(InputError, match="is a folder"):
        TorchExportBackend().load(tmp_path, WORKLOAD)


def test_a_file_of_a_newer_prunec_is_refused(text: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads(torchfile.description(text)) | {"prunec": "99.0"}
    monkeypatch.setattr("prunec.backends.torchexport.description", lambda program: json.dumps(said))
    TorchExportBackend().emit(text, tmp_path / "a.pt2")
    with pytest.raises(InputError, match=r"was written by prunec 99\.0"):
        TorchExportBackend().load(tmp_path / "a.pt2", Workload("encode", 1, 8, 1))
