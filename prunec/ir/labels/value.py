"""What a node holds during label flow: a shape without numbers, and planes of labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Labelled:
    """A tensor during label flow.

    Attributes:
        meta: a meta tensor of the value's shape and dtype, for one token.
        planes: label arrays of the value's shape (int64, usually expanded views). A parameter has one
            plane an axis; an activation usually has one plane, for its features. An element goes
            when any of its labels goes. A value without planes has nothing that could be cut.
    """

    meta: Tensor
    planes: tuple[Tensor, ...] = ()

    @property
    def shape(self) -> torch.Size:
        """Shape of the value."""
        return self.meta.shape


def varying_axes(plane: Tensor) -> frozenset[int]:
    """The axes along which `plane` is not constant."""
    return frozenset(
        axis
        for axis, size in enumerate(plane.shape)
        if size > 1 and plane.stride(axis) != 0 and bool((plane.narrow(axis, 1, size - 1) != plane.narrow(axis, 0, size - 1)).any())
    )


def lacks_variation(plane: Tensor) -> bool:
    """Whether one label covers the whole plane, so that nothing along it can be cut."""
    return not varying_axes(plane)


def axis_plane(labels: Tensor, shape: torch.Size, axis: int) -> Tensor:
    """`labels` laid along `axis` of a plane of `shape`, expanded along every other axis."""
    view = [1] * len(shape)
    view[axis] = -1
    return labels.view(view).expand(shape)
