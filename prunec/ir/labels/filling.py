"""Tensors of equal elements, and what is padded with them: any part of them can be left out."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import labels_along
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes
from prunec.ir.nodes import arguments, is_counted

aten = torch.ops.aten


@rule(
    aten.zeros, aten.ones, aten.full, aten.empty, aten.new_zeros, aten.new_ones, aten.new_full, aten.new_empty,
    makes=True, follows=True,
)  # fmt: skip
def fill(call: Call, ledger: Ledger) -> Planes:
    """Any axis of a tensor of equal elements can be shorter: those with a literal size, or factor, are labelled."""
    sizes = arguments(call.node)[1 if isinstance(call.args[0], Labelled) else 0]
    made = [axis for axis, size in enumerate(sizes) if is_counted(size)]
    return tuple(labels_along(call.meta.shape, [axis], ledger) for axis in made)


@rule(
    aten.zeros_like, aten.ones_like, aten.full_like, aten.empty_like, aten.rand_like, aten.randn_like, follows=True,
)  # fmt: skip
def alike(call: Call, ledger: Ledger) -> Planes:
    """The result is as large as the argument, of whose numbers it has none."""
    planes: Planes = call.args[0].planes
    return planes


@rule(aten.bernoulli, aten.triu, aten.tril)
def laid_alike(call: Call, ledger: Ledger) -> Planes:
    """The result is as large as the argument."""
    planes: Planes = call.args[0].planes
    return planes


@rule(aten.constant_pad_nd, aten.pad)
def pad(call: Call, ledger: Ledger) -> Planes:
    """Elements that are added stay; where a plane varies along other axes as well, they go with those."""
    source: Labelled = call.args[0]
    sizes, mode = list(call.args[1]), call.named("mode", "constant")
    return tuple(_padded(call, plane, sizes, mode == "constant", ledger) for plane in source.planes)


def _padded(call: Call, plane: Tensor, sizes: list[int], constant: bool, ledger: Ledger) -> Tensor:
    rank = plane.dim()
    axes = [rank - 1 - index // 2 for index, size in enumerate(sizes) if size]
    own = sorted(set(axes) & varying_axes(plane))
    rest = sorted(varying_axes(plane) - set(own))
    for axis in set(axes) - set(own):
        plane = plane.narrow(axis, 0, 1)
    shape = torch.Size(call.meta.shape[axis] if axis not in own else plane.shape[axis] for axis in range(rank))
    plane = plane.expand(shape)
    if not own:
        return plane
    if not constant or min(sizes) < 0:
        ledger.pin(plane, f"{call.node.name} depends on its place")
    kept = [size if axis in own else 0 for index, size in enumerate(sizes) for axis in [rank - 1 - index // 2]]
    around = labels_along(call.meta.shape, rest, ledger)
    if rest:
        ledger.repeat(plane, _first(around, own))
    else:
        ledger.pin(around, "is padding")
    inside = torch.constant_pad_nd(plane, kept, -1)
    return torch.where(inside < 0, around, inside)


def _first(plane: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        plane = plane.narrow(axis, 0, 1)
    return plane
