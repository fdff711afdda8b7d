"""Compiles made quick, as written: little text, few steps, and artifacts that take as long as their parameters say."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from prunec.backends.onnx import OnnxBackend
from prunec.backends.torchexport import TorchExportBackend
from prunec.backends.torchscript import TorchScriptBackend
from prunec.calibration.sources import standard_library_texts
from prunec.cost.footprint import Footprint
from prunec.frontends import huggingface
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.passes.analysis.calibrate import CalibratePass
from prunec.passes.analysis.cost import CostPass
from prunec.passes.analysis.solution_path import SolutionPathPass
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.distill import DistillPass
from prunec.passes.search.surrogate import SurrogatePass
from tests.passes.fakes import fake_backend

DEFAULTS: dict[type[Pass], dict[str, object]] = {
    CalibratePass: {"score": 1024, "choose": 512, "report": 512},
    CostPass: {"sizes": 3},
    SolutionPathPass: {"steps": 4, "tokens": 128},
    DistillPass: {"steps": 2},
    SurrogatePass: {"samples": 8, "candidates": 8, "verified": 1},
}
"""Defaults of passes that would take long."""
REAL = (OnnxBackend, TorchExportBackend, TorchScriptBackend)


def thirty_milliseconds(program: Program) -> float:
    """About what a dense stand-in takes; a budget of 20 ms is between that and the floor."""
    return program.parameter_count() / 1700


@contextmanager
def quickened() -> Iterator[None]:
    """Defaults that take no time; artifacts that are written as zeros and timed by a formula."""
    with pytest.MonkeyPatch.context() as patch, fake_backend(thirty_milliseconds) as fake:
        for kind, values in DEFAULTS.items():
            usual = tuple(values.get(item.name, item.default) for item in fields(kind) if item.init)
            patch.setattr(kind.__init__, "__defaults__", usual)
        patch.setattr("prunec.passes.search.evolve.WORK", (0.0, 1e9, 1e9, 1e9))
        few = partial(standard_library_texts, characters=20_000)
        patch.setattr("prunec.calibration.textsource.standard_library_texts", few)
        for real in REAL:
            patch.setattr(real, "emit", lambda self, program, path: fake().emit(program, path))
            patch.setattr(real, "load", lambda self, path, workload: fake().load(path, workload))
        yield


@contextmanager
def loading_once(world: Path) -> Iterator[None]:
    """Models of `world` are traced and looked through once, whatever folder they are copied to."""
    with pytest.MonkeyPatch.context() as patch:
        for driver in ("job", "evaluator"):
            patch.setattr(f"prunec.drivers.{driver}.load", partial(traced, world))
        patch.setattr(StructurePass, "run", _structure)
        yield


def traced(world: Path, model: Path | str, task: str | None = None, remote: bool = False, **more: Any) -> Loaded:
    """`model` of `world`, as `huggingface.load` gives it."""
    return _traced(
        (world / model).resolve(), task, remote, tuple((name, _frozen(value)) for name, value in more.items())
    )


@cache
def _traced(model: Path, task: str | None, remote: bool, more: tuple[tuple[str, Any], ...]) -> Loaded:
    thawed: dict[str, Any] = {name: dict(value) if isinstance(value, tuple) else value for name, value in more}
    return huggingface.load(model, task, remote, **thawed)


def _structure(self: StructurePass, program: Program, facts: Facts, context: Context) -> PassResult:
    key = (id(program), self)
    if key not in _STRUCTURES:
        _STRUCTURES[key] = _look_through(self, program, facts, context)
    return _STRUCTURES[key]


_look_through = StructurePass.run
_STRUCTURES: dict[tuple[int, StructurePass], PassResult] = {}
"""By program; results hold their programs, so that no number comes again."""


def _frozen(value: object) -> object:
    return tuple(value.items()) if isinstance(value, dict) else value


def no_footprint(*_: object) -> Footprint:
    """Loading in a process of its own takes seconds, and has a test."""
    return Footprint(1.0, 1)


def outputs(words: list[str]) -> list[str]:
    """What a command says that it writes."""
    return [value for name, value in pairwise(words) if name in ("-o", "--output", "--save-path")]


def make_room(folder: Path, words: list[str]) -> None:
    """Remove what a command is to write, and the reports that go with it."""
    for name in outputs(words):
        stem = Path(name).stem
        reports = [*folder.glob(f"{stem}.report.*"), *folder.glob(f"{stem}-*.report.*")]
        for path in (folder / name, *reports):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)


def expanded(command: str, folder: Path) -> list[str]:
    """The words of a command as a shell hands them on."""
    found: list[str] = []
    for word in shlex.split(command):
        matches = sorted(path.name for path in folder.glob(word)) if "*" in word and "/" not in word else []
        found += matches or [word]
    return found
