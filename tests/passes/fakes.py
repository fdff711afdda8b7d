"""A backend whose artifacts take as long as a formula says, on a clock that only they move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from prunec.cost import measure
from prunec.cost.numerics import Numerics
from prunec.cost.request import Feed
from prunec.cost.timer import Arrays
from prunec.cost.workload import Workload
from prunec.errors import InputError
from prunec.ir.program import Program

Formula = Callable[[Program], float]
"""Milliseconds that one run of a program takes."""


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class FakeRunner:
    """Computes what the program does, times `stretch` and `error` added, and moves the clock."""

    program: Program
    milliseconds: float
    clock: Clock
    error: float
    stretch: float = 1.0

    @property
    def feeds(self) -> tuple[Feed, ...]:
        return tuple(Feed(name, value.numpy().dtype, value.shape) for name, value in self.program.example.items())

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        self.clock.seconds += self.milliseconds / 1e3
        with torch.no_grad():
            outputs = self.program({name: torch.from_numpy(value) for name, value in inputs.items()})
        return {name: self.stretch * value.numpy() + self.error for name, value in outputs.items()}


class FakeBackend:
    """Writes as many bytes as the weights have, and 1,000 more."""

    name: ClassVar[str] = "fake"
    suffixes: ClassVar[tuple[str, ...]] = (".fake",)
    side_suffixes: ClassVar[tuple[str, ...]] = (".side",)
    overhead: ClassVar[int] = 1000
    clock: ClassVar[Clock] = Clock()
    formula: ClassVar[Formula] = staticmethod(lambda program: 1.0)
    error: ClassVar[float] = 0.0
    programs: ClassVar[dict[Path, Program]] = {}

    @property
    def runtime(self) -> str:
        return "fake 1"

    def emit(self, program: Program, path: Path) -> None:
        """Remember the program under `path`."""
        path.write_bytes(bytes(program.size_bytes() + self.overhead))
        self.programs[path] = program

    def load(self, path: Path, workload: Workload) -> FakeRunner:
        """A runner on the fake clock."""
        program = self.programs[path]
        return FakeRunner(program, type(self).formula(program), self.clock, self.error)


@contextmanager
def fake_backend(formula: Formula, error: float = 0.0) -> Iterator[type[FakeBackend]]:
    """A backend of its own clock, which every pass that times things reads."""
    clock = Clock()
    members = {"clock": clock, "formula": staticmethod(formula), "error": error, "programs": {}}
    backend = type("TimedBackend", (FakeBackend,), members)
    timed = partial(measure.interleaved, clock=clock, max_rounds=5, warmup=0)
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "passes.analysis.coarsen",
            "passes.analysis.plain_export",
            "passes.analysis.rival",
            "cost.baseline",
            "cost.judge",
            "cost.tables",
        ):
            patch.setattr(f"prunec.{module}.interleaved", timed)
        yield backend


class RoundingBackend(FakeBackend):
    """A fake that knows other types: artifacts in them are off by `off` and take half as long.

    Each weight on finer grids takes `slower` ms more; without any, outputs are `harm` larger, with `n` by `1 + n` less.
    """

    off: ClassVar[float] = 0.01
    slower: ClassVar[float] = 0.0
    harm: ClassVar[float] = 0.0
    rounded: ClassVar[dict[Path, Numerics]] = {}

    def __init__(self, numerics: Numerics | None = None) -> None:
        self.numerics = numerics or Numerics()

    @property
    def runtime(self) -> str:
        return f"fake 1 {self.numerics.dtype}"

    @property
    def int8_steps(self) -> int:
        return 127

    def at(self, numerics: Numerics) -> RoundingBackend:
        """The same for other numerics; on a GPU there is none."""
        if numerics.device != "cpu":
            raise InputError("there is no GPU")
        return type(self)(numerics)

    def emit(self, program: Program, path: Path) -> None:
        """Remember the program and what it is rounded to."""
        super().emit(program, path)
        self.rounded[path] = self.numerics

    def load(self, path: Path, workload: Workload) -> FakeRunner:
        """A runner on the fake clock."""
        runner = super().load(path, workload)
        numerics, fine = self.rounded[path], len(self.rounded[path].fine)
        if numerics.dtype == "fp32":
            return runner
        milliseconds, stretch = runner.milliseconds / 2 + self.slower * fine, 1 + self.harm / (1 + fine)
        return replace(runner, milliseconds=milliseconds, error=self.off, stretch=stretch)


@contextmanager
def rounding_backend(
    formula: Formula, off: float = 0.01, slower: float = 0.0, harm: float = 0.0
) -> Iterator[type[RoundingBackend]]:
    """As `fake_backend`, with one that rounds."""
    with fake_backend(formula) as timed:
        members = {"clock": timed.clock, "formula": staticmethod(formula), "programs": {}, "rounded": {}}
        members |= {"off": off, "slower": slower, "harm": harm}
        yield type("TimedRoundingBackend", (RoundingBackend,), members)


def by_parameters(program: Program) -> float:
    """A tenth of a millisecond, and a microsecond for every hundred parameters."""
    return 0.1 + program.parameter_count() / 1e5
