"""What came before the tokens of a request: nothing where it does not say, or what the last step handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from prunec.ir.program import PAST_AXIS, Program

MASK = "attention_mask"

Array = TypeVar("Array")


def completed(program: Program, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`inputs` with what `program` takes besides and follows from them.

    A cache that is not given is empty. Positions that are not given count the tokens that an attention mask lets
    through, as generation does, so that padding on the left moves no token; without a mask they go on from the past.
    """
    implied = {program.positions, *(pair.past for pair in program.caches)}
    missing = [item for item in program.inputs if item.name in implied and item.name not in inputs]
    if not missing:
        return inputs
    sizes = {PAST_AXIS: 0} | {
        name: inputs[item.name].shape[axis]
        for item in program.inputs
        if item.name in inputs
        for axis, name in item.axes.items()
    }
    device = next(inputs[item.name].device for item in program.asked)
    found = dict(inputs)
    for item in missing:
        shape = [sizes[item.axes[axis]] if axis in item.axes else size
                 for axis, size in enumerate(program.example[item.name].shape)]  # fmt: skip
        if item.name == program.positions:
            found[item.name] = positions(shape, sizes[PAST_AXIS], inputs.get(MASK), device).to(item.dtype)
        else:
            found[item.name] = torch.empty(shape, dtype=item.dtype, device=device)
    return found


def handed_on(program: Program, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """The caches of the step after the one that gave `outputs` (none: the first), by the inputs that take them."""
    return {pair.past: outputs[pair.present] for pair in program.caches if pair.present in outputs}


def positions(shape: Sequence[int], past: int, mask: Tensor | None, device: torch.device) -> Tensor:
    """Places `[batch, sequence]`, from 0, of tokens after `past` others, by a mask of all of them or none."""
    if mask is not None and mask.shape == (shape[0], past + shape[1]):
        return (mask.cumsum(-1) - 1).clamp(min=0)[:, past:]
    return torch.arange(past, past + shape[1], device=device).expand(shape)
