"""The protocol by which passes emit, run and time programs without knowing a backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from prunec.cost.request import Feed
from prunec.cost.workload import Workload
from prunec.ir.program import Program

Arrays = Mapping[str, np.ndarray]


class Runner(Protocol):
    """A loaded artifact.

    Attributes:
        feeds: its inputs.
    """

    @property
    def feeds(self) -> tuple[Feed, ...]: ...

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run once; outputs by the program's output names."""
        ...


class Backend(Protocol):
    """An artifact kind: emits programs, loads artifacts for a workload.

    Attributes:
        name: as users type it, such as `onnx`.
        suffixes: file suffixes that choose this backend, such as `(".onnx",)`.
        side_suffixes: what follows the artifact's name in those of the files it may need beside it.
        runtime: the runtime and its version, for cache keys and reports.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    side_suffixes: ClassVar[tuple[str, ...]]

    @property
    def runtime(self) -> str: ...

    def emit(self, program: Program, path: Path) -> None:
        """Write the artifact at `path` (and any side files beside it), checked and loadable."""
        ...

    def load(self, path: Path, workload: Workload) -> Runner:
        """Load an artifact with the workload's thread count set explicitly."""
        ...


@runtime_checkable
class Rewriting(Backend, Protocol):
    """A backend that makes artifacts faster by lossless rewrites."""

    def literal(self) -> Backend:
        """The same backend without them."""
        ...
