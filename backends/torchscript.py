"""The TorchScript backend: programs to `.pt` files that `torch.jit.load` runs without any model code."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

import prunec
from prunec.cost.request import Feed
from prunec.cost.timer import Arrays
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.files import atomic_path
from prunec.ir.program import Input, Program

from .quiet import quiet
from .torchscript_source import Unwritable, script

DESCRIPTION = "prunec.json"
"""Name of the file inside the archive that says what the inputs and outputs are called."""


@dataclass(frozen=True)
class TorchScriptBackend:
    """TorchScript for PyTorch."""

    name: ClassVar[str] = "torchscript"
    suffixes: ClassVar[tuple[str, ...]] = (".pt",)
    side_suffixes: ClassVar[tuple[str, ...]] = ()

    @property
    def runtime(self) -> str:
        """PyTorch and its version."""
        return f"torch {torch.__version__}"

    def emit(self, program: Program, path: Path) -> None:
        """Write `path`, whole or not at all.

        Raises:
            VerificationError: the program cannot be said in TorchScript.
            InputError: the file cannot be written.
        """
        archive = io.BytesIO()
        try:
            with quiet():
                torch.jit.save(script(program), archive, _extra_files={DESCRIPTION: _description(program)})
        except (Unwritable, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise VerificationError(f"the program cannot be written as TorchScript ({reason})") from error
        with atomic_path(path, bytes_needed=archive.getbuffer().nbytes) as part:
            part.write_bytes(archive.getbuffer())

    def load(self, path: Path, workload: Workload) -> TorchScriptRunner:
        """Load `path` with the workload's number of threads.

        Raises:
            InputError: there is no such file, or prunec did not write it.
        """
        if not path.is_file():
            raise InputError(f"{path} does not exist", "name a TorchScript file")
        extra = {DESCRIPTION: ""}
        try:
            with quiet():
                module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)
            said = json.loads(extra[DESCRIPTION])
            feeds = tuple(Feed(name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in said["inputs"])
        except (RuntimeError, ValueError, TypeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} is not a TorchScript file of prunec's ({reason})", "emit it again") from error
        return TorchScriptRunner(module, feeds, tuple(said["outputs"]), workload.threads)


@dataclass(frozen=True)
class TorchScriptRunner:
    """A loaded TorchScript file."""

    module: torch.jit.ScriptModule
    feeds: tuple[Feed, ...]
    outputs: tuple[str, ...]
    threads: int

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run once on the inputs that the file has; more may be given."""
        names = [feed.name for feed in self.feeds]
        missing = [name for name in names if name not in inputs]
        if missing:
            raise VerificationError(f"the artifact also takes {', '.join(missing)}", "give every input")
        with _threads(self.threads), torch.inference_mode():
            values = self.module(*(torch.from_numpy(inputs[name]) for name in names))
        return {name: value.numpy() for name, value in zip(self.outputs, values, strict=True)}


def _description(program: Program) -> str:
    origin = program.provenance
    return json.dumps(
        {
            "inputs": [_feed(item, program.example[item.name]) for item in program.inputs],
            "outputs": list(program.outputs),
            "prunec": prunec.__version__,
            "model_class": origin.model_class,
            "task": origin.task,
        }
    )


def _feed(item: Input, example: Tensor) -> tuple[str, str, list[int | str]]:
    """An input as `Feed` takes it."""
    dtype = str(torch.empty(0, dtype=item.dtype).numpy().dtype)
    return item.name, dtype, [item.axes.get(axis, size) for axis, size in enumerate(example.shape)]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads are the whole process's: set for the block only, and only where that changes anything."""
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)
