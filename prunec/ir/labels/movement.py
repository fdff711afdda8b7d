"""Data movement: whatever an operator does to numbers it does to labels, so it is executed on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import labels_along
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes
from prunec.ir.nodes import arguments, function

aten = torch.ops.aten


@rule(
    aten.view, aten.reshape, aten._unsafe_view, aten.unsqueeze, aten.squeeze, aten.transpose, aten.permute, aten.t,
    aten.slice, aten.select, aten.narrow, aten.repeat, aten.flatten, aten.unflatten, aten.flip,
    aten.roll, aten.contiguous, aten.clone, aten.alias, aten.detach, aten.movedim, aten.split, aten.split_with_sizes,
    aten.chunk, aten.unbind, aten.index_select, aten.repeat_interleave, aten.expand_as, aten.view_as, aten.swapaxes,
)  # fmt: skip
def move(call: Call, ledger: Ledger) -> Planes | list[Planes]:
    """Run the operator on every plane of its first argument."""
    source = call.args[0]
    rest = [_meta_to_shape(argument) for argument in call.args[1:]]
    if any(isinstance(argument, Tensor) for argument in rest):
        return _lose(call, ledger, "is moved by indices that are not known")
    moved = [_run(call, plane, rest) for plane in source.planes]
    if isinstance(call.meta, (list, tuple)):
        return [tuple(result[index] for result in moved) for index in range(len(call.meta))]
    return tuple(moved)


@rule(aten.expand, makes=True)
def expand(call: Call, ledger: Ledger) -> Planes:
    """Expand every plane. Copies by the number can be fewer, so they are labelled as well.

    Copies of what already varies along other axes than the last are not told apart: which copy belongs to
    which of those would be lost where the axes are merged.
    """
    source: Labelled = call.args[0]
    shape = call.meta.shape
    planes = tuple(plane.expand(shape) for plane in source.planes)
    if any(varying_axes(plane) - {len(shape) - 1} for plane in planes):
        return planes
    old = [1] * (len(shape) - source.meta.dim()) + list(source.shape)
    sizes: list[Any] = arguments(call.node)[1]
    made = [axis for axis, size in enumerate(sizes) if isinstance(size, int) and size > 1 and old[axis] == 1]
    return (*planes, *(labels_along(shape, [axis], ledger) for axis in made))


@rule(aten.zeros, aten.ones, aten.full, aten.new_zeros, aten.new_ones, aten.new_full, makes=True)
def fill(call: Call, ledger: Ledger) -> Planes:
    """Any axis of a tensor of equal elements can be shorter: those with a literal size are labelled."""
    sizes = arguments(call.node)[1 if isinstance(call.args[0], Labelled) else 0]
    made = [axis for axis, size in enumerate(sizes) if isinstance(size, int) and size > 1]
    return tuple(labels_along(call.meta.shape, [axis], ledger) for axis in made)


def _run(call: Call, plane: Tensor, rest: list[Any]) -> Any:
    target = call.node.target
    if target in (aten.view.default, aten._unsafe_view.default):
        return plane.reshape(rest[0])
    return function(call.node)(plane, *rest, **call.kwargs)


def _meta_to_shape(argument: Any) -> Any:
    return argument.meta if isinstance(argument, Labelled) else argument


@rule(aten.cat)
def join(call: Call, ledger: Ledger) -> Planes:
    """Join planes that vary along the joined axis; planes that do not must shrink alike, so they are tied."""
    parts = [part for part in call.args[0] if part.meta.dim() == call.meta.dim()]  # torch skips empty vectors
    dim = call.argument(1, "dim", 0) % call.meta.dim()
    return _join(parts, dim, call.meta.shape, ledger)


@rule(aten.stack)
def stack(call: Call, ledger: Ledger) -> Planes:
    """Join along an axis of its own."""
    dim = call.argument(1, "dim", 0) % call.meta.dim()
    parts = [
        Labelled(part.meta.unsqueeze(dim), tuple(plane.unsqueeze(dim) for plane in part.planes))
        for part in call.args[0]
    ]
    return _join(parts, dim, call.meta.shape, ledger)


def _join(parts: list[Labelled], dim: int, shape: torch.Size, ledger: Ledger) -> Planes:
    own = [[plane for plane in part.planes if varying_axes(plane)] for part in parts]
    joined = []
    for model in max(own, key=len):
        axes = varying_axes(model)
        found = [next((plane for plane in planes if varying_axes(plane) & axes), None) for planes in own]
        planes = [_still(part, ledger) if plane is None else plane for part, plane in zip(parts, found, strict=True)]
        if any(dim in varying_axes(plane) for plane in planes):
            joined.append(torch.cat(planes, dim))
        else:
            joined.append(_tied(planes, shape, dim, ledger))
    return tuple(joined)


def _tied(planes: list[Tensor], shape: torch.Size, dim: int, ledger: Ledger) -> Tensor:
    first, *others = (plane.narrow(dim, 0, 1) for plane in planes)
    for other in others:
        ledger.tie(first, other)
    return first.expand(shape)


def _still(part: Labelled, ledger: Ledger) -> Tensor:
    label = ledger.fresh(1)
    ledger.pin(label, "is joined with a value that cannot be cut")
    return label.view([1] * part.meta.dim()).expand(part.shape)


@rule(aten.constant_pad_nd)
def pad(call: Call, ledger: Ledger) -> Planes:
    """Padding adds elements that stay."""
    label = ledger.fresh(1)
    ledger.pin(label, "is padding")
    return tuple(torch.constant_pad_nd(plane, call.args[1], int(label)) for plane in call.args[0].planes)


def _lose(call: Call, ledger: Ledger, why: str) -> Planes:
    for plane in call.args[0].planes:
        ledger.pin(plane, why)
    return ()
