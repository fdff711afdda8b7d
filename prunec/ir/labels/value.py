"""What a node holds during label flow: a shape without numbers, and planes of labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Labelled:
    """A tensor during label flow.

    Attributes:
        meta: a meta tensor of the value's shape and dtype, for a few tokens.
        planes: label arrays of the value's shape (int64, usually expanded views). A parameter has one
            plane an axis; an activation usually has one plane, for its features. An element goes
            when any of its labels goes. A value without planes has nothing that could be cut.
        domain: `[size]`, the labels along the axis that its numbers are places on, such as the experts that a
            router chose: places are counted anew among those that stay. None where they are other numbers.
    """

    meta: Tensor
    planes: tuple[Tensor, ...] = ()
    domain: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """Shape of the value."""
        return self.meta.shape


def labels_along_axis(value: Labelled, axis: int) -> Tensor | None:
    """`[size]`, the labels along an axis, where a plane varies along that one alone."""
    axis %= value.meta.dim()
    own = next((plane for plane in value.planes if varying_axes(plane) == {axis}), None)
    return None if own is None else core(own).reshape(-1)


def compact(plane: Tensor) -> Tensor:
    """`plane` as an expanded view along every axis on which it is constant."""
    base = core(plane)
    for axis, size in enumerate(base.shape):
        if size > 1 and bool((base.narrow(axis, 1, size - 1) == base.narrow(axis, 0, 1)).all()):
            base = base.narrow(axis, 0, 1)
    return base.expand(plane.shape)


def core(plane: Tensor) -> Tensor:
    """`plane` with size 1 along the axes on which it is expanded."""
    for axis, size in enumerate(plane.shape):
        if size > 1 and plane.stride(axis) == 0:
            plane = plane.narrow(axis, 0, 1)
    return plane


def varying_axes(plane: Tensor) -> frozenset[int]:
    """The axes along which a compact plane is not constant."""
    return frozenset(axis for axis, size in enumerate(core(plane).shape) if size > 1)


def axis_plane(labels: Tensor, shape: torch.Size, axis: int) -> Tensor:
    """`labels` laid along `axis` of a plane of `shape`, expanded along every other axis."""
    view = [1] * len(shape)
    view[axis] = -1
    return labels.view(view).expand(shape)
