"""The example inputs in another batch and another length, cut or tiled so that every id stays legal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from prunec.ir.program import Program
from tests.passes.golden import run

SOUND = ("frames", "samples")
STEP = 2
"""How many tokens more or fewer: the first three of a prompt and the last four are words, never image tokens."""


@dataclass(frozen=True)
class Sized:
    """Inputs, and how they differ from the example: `batch 3, sequence 9`, or nothing."""

    inputs: Mapping[str, Tensor]
    text: str


def other_sizes(program: Program) -> Sized:
    """Inputs that differ from the example along as many dynamic axes as the program allows."""
    for sizes in _wishes(program):
        inputs = {item.name: _resized(program.example[item.name], item.axes, sizes) for item in program.inputs}
        try:
            run(program, inputs)
        except Exception:  # some take even batches or whole chunks only: kernels raise what they like
            continue
        told = {name: size for name, size in sizes.items() if not name.endswith(" rows")}
        return Sized(inputs, ", ".join(f"{name} {size}" for name, size in told.items()))
    return Sized(program.example, "")


def _wishes(program: Program) -> Iterator[dict[str, int]]:
    """Sizes by axis name, the most different first."""
    now = {
        called: program.example[item.name].shape[axis] for item in program.inputs for axis, called in item.axes.items()
    }
    rows = {name: size // 2 * 3 for name, size in now.items() if name == "batch" or name.endswith(" rows")}
    times = {name: size for name, size in now.items() if name not in rows}
    longer = {name: size + (size // 4 if name in SOUND else STEP) for name, size in times.items()}
    shorter = {name: size - (size // 4 if name in SOUND else STEP) for name, size in times.items()}
    doubled = {name: 2 * size for name, size in times.items()}
    for other in (longer, shorter, doubled) if times else ():
        yield rows | other
    if rows:
        yield rows
    for other in (longer, shorter, doubled) if times else ():
        yield other


def _resized(tensor: Tensor, axes: Mapping[int, str], sizes: Mapping[str, int]) -> Tensor:
    for axis, called in axes.items():
        missing = sizes.get(called, tensor.shape[axis]) - tensor.shape[axis]
        if missing < 0:
            tensor = tensor.narrow(axis, 0, tensor.shape[axis] + missing)
        elif missing:
            tensor = torch.cat([tensor, tensor.narrow(axis, 0, missing)], dim=axis)
    return tensor.contiguous()
