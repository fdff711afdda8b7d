"""What the files for PyTorch share: what they say of their inputs and outputs, and how they are run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import prunec
from prunec.cost.artifact import check_version
from prunec.cost.request import Feed
from prunec.cost.timer import Arrays
from prunec.errors import VerificationError
from prunec.ir.program import Input, Program

DESCRIPTION = "prunec.json"
"""Name of the file inside the archive that says what the inputs and outputs are called."""


@dataclass(frozen=True)
class TorchRunner:
    """A loaded file; `call` takes the inputs in order and gives the outputs in order."""

    call: Callable[..., Sequence[Tensor]]
    feeds: tuple[Feed, ...]
    outputs: tuple[str, ...]
    threads: int

    @staticmethod
    def of(path: Path, call: Callable[..., Sequence[Tensor]], description: str, threads: int) -> TorchRunner:
        """The runner of the file at `path`, which says `description` of itself.

        Raises:
            InputError: a newer prunec wrote it.
            ValueError, TypeError, KeyError: prunec did not write the description.
        """
        said = json.loads(description)
        check_version(path, said["prunec"])
        feeds = tuple(Feed(name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in said["inputs"])
        return TorchRunner(call, feeds, tuple(said["outputs"]), threads)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Run once on the inputs that the file has; more may be given."""
        names = [feed.name for feed in self.feeds]
        missing = [name for name in names if name not in inputs]
        if missing:
            raise VerificationError(f"the artifact also takes {', '.join(missing)}", "give every input")
        with _threads(self.threads), torch.inference_mode():
            # An exported program is checked for how its example lay in memory: without gaps.
            values = self.call(*(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in names))
        return {name: value.numpy() for name, value in zip(self.outputs, values, strict=True)}


def description(program: Program) -> str:
    """What a file says of itself."""
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


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


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
