"""Inputs of other sizes than a program was traced on, to compare programs with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from prunec.ir.program import Program


def other_sizes(program: Program) -> Mapping[str, Tensor]:
    """The example, longer by one (a sum by two) in every dynamic axis; as it is where the program refuses that."""
    inputs = {item.name: _longer(program.example[item.name], item.axes) for item in program.inputs}
    try:
        program(inputs)
    except Exception:  # Some take even batches only, or no more tokens: kernels raise what they like.
        return program.example
    return inputs


def _longer(tensor: Tensor, axes: Mapping[int, str]) -> Tensor:
    for axis, name in axes.items():
        more = 1 + name.count("+")
        tensor = torch.cat([tensor, tensor.narrow(axis, 0, more)], dim=axis)
    return tensor
