"""Data movement: whatever an operator does to numbers it does to labels, so it is executed on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values, labels_along
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, compact, varying_axes
from prunec.ir.nodes import arguments, function, is_counted

aten = torch.ops.aten


@rule(
    aten.view, aten.reshape, aten._unsafe_view, aten.unsqueeze, aten.squeeze, aten.transpose, aten.permute, aten.t,
    aten.slice, aten.select, aten.narrow, aten.flatten, aten.unflatten, aten.flip,
    aten.roll, aten.contiguous, aten.clone, aten.alias, aten.detach, aten.movedim, aten.split, aten.split_with_sizes,
    aten.chunk, aten.unbind, aten.swapaxes, aten.swapdims, aten.numpy_T, aten.mT,
    aten.unfold, aten.lift_fresh_copy, follows=True,
)  # fmt: skip
def move(call: Call, ledger: Ledger) -> Labelled | list[Labelled]:
    """Run the operator on every plane of its first argument."""
    domain = call.args[0].domain
    planes = moved_planes(call, ledger)
    if isinstance(call.meta, Tensor):
        return Labelled(call.meta, planes, domain)
    return [Labelled(item, own, domain) for item, own in zip(call.meta, planes or [()] * len(call.meta), strict=True)]


def moved_planes(call: Call, ledger: Ledger) -> Any:
    """The planes of the first argument after the operator has run on them."""
    source = call.args[0]
    rest = [_meta_to_shape(argument) for argument in call.args[1:]]
    if any(isinstance(argument, Tensor) for argument in rest):
        return _lose(call, ledger, "moves it by what is not known")
    moved = [_run(call, plane, rest) for plane in source.planes]
    for before, after in zip(source.planes, moved, strict=True):
        _pin_alone(call, before, after, ledger)
    if isinstance(call.meta, (list, tuple)):
        return [tuple(result[index] for result in moved) for index in range(len(call.meta))]
    return tuple(moved)


@rule(aten.expand_as, aten.view_as, aten.reshape_as)
def move_as(call: Call, ledger: Ledger) -> Planes:
    """Give the first argument the second's shape: what stands at equal places goes together."""
    source, model = call.args
    expands = call.node.target is aten.expand_as.default
    moved = tuple(plane.expand(model.shape) if expands else plane.reshape(model.shape) for plane in source.planes)
    return combine_values([Labelled(call.meta, tuple(map(compact, moved))), model], call.meta.shape, ledger)


@rule(aten.view_as_real)
def as_real(call: Call, ledger: Ledger) -> Planes:
    """A real and an imaginary part of each element, along an axis of its own."""
    return tuple(plane.unsqueeze(-1).expand(call.meta.shape) for plane in call.args[0].planes)


@rule(aten.view_as_complex)
def as_complex(call: Call, ledger: Ledger) -> Planes:
    """The two parts of an element go together."""
    for plane in call.args[0].planes:
        ledger.tie(plane.select(-1, 0), plane.select(-1, 1))
    return tuple(plane.select(-1, 0) for plane in call.args[0].planes)


@rule(aten.expand, aten.broadcast_to, makes=True, follows=True)
def expand(call: Call, ledger: Ledger) -> Labelled:
    """Expand every plane. Copies by the number can be fewer, so they are labelled as well.

    Copies of what already varies along other axes than the last are not told apart: which copy belongs to
    which of those would be lost where the axes are merged.
    """
    source: Labelled = call.args[0]
    shape = call.meta.shape
    planes = tuple(plane.expand(shape) for plane in source.planes)
    if any(varying_axes(plane) - {len(shape) - 1} for plane in planes):
        return Labelled(call.meta, planes, source.domain)
    old = [1] * (len(shape) - source.meta.dim()) + list(source.shape)
    sizes: list[Any] = arguments(call.node)[1]
    made = [axis for axis, size in enumerate(sizes) if is_counted(size) and old[axis] == 1]
    return Labelled(call.meta, (*planes, *(labels_along(shape, [axis], ledger) for axis in made)), source.domain)


@rule(aten.repeat, aten.tile, makes=True)
def repeat(call: Call, ledger: Ledger) -> Planes:
    """Repeat every plane; copies of a single element by a literal number are labelled, as in `expand`."""
    source: Labelled = call.args[0]
    planes = tuple(function(call.node)(plane, call.args[1]) for plane in source.planes)
    shape = call.meta.shape
    if any(varying_axes(plane) - {source.meta.dim() - 1} for plane in source.planes):
        return planes
    old = [1] * (len(shape) - source.meta.dim()) + list(source.shape)
    counts: list[Any] = arguments(call.node)[1]
    made = [axis for axis, n in enumerate(counts) if is_counted(n) and old[axis] == 1]
    return (*planes, *(labels_along(shape, [axis], ledger) for axis in made))


@rule(aten.repeat_interleave, makes=True)
def interleave(call: Call, ledger: Ledger) -> Planes | list[Planes]:
    """As `move`; copies of a single element by a literal number are labelled, as in `expand`."""
    planes: Planes | list[Planes] = moved_planes(call, ledger)
    source, dim = call.named("self"), call.named("dim")
    shape = call.meta.shape
    if dim is None or not isinstance(planes, tuple) or source.shape[dim] != 1:
        return planes
    given = arguments(call.node)[1]  # a number, where it is not computed from other sizes
    if not isinstance(given, int) or given < 2 or any(varying_axes(plane) - {len(shape) - 1} for plane in planes):
        return planes
    return (*planes, labels_along(shape, [dim % len(shape)], ledger))


@rule(aten.glu)
def gated(call: Call, ledger: Ledger) -> Planes:
    """One half scaled by the other."""
    source: Labelled = call.args[0]
    dim = call.named("dim", -1) % source.meta.dim()
    size = source.shape[dim] // 2
    halves = [
        Labelled(
            source.meta.narrow(dim, at, size), tuple(compact(plane.narrow(dim, at, size)) for plane in source.planes)
        )
        for at in (0, size)
    ]
    return combine_values(halves, call.meta.shape, ledger)


def _pin_alone(call: Call, before: Tensor, after: Any, ledger: Ledger) -> None:
    """Pin a label that is taken out of its axis alone: what is left of the axis would be nothing to broadcast."""
    for part in after if isinstance(after, (list, tuple)) else [after]:
        if varying_axes(before) and part.numel() and not varying_axes(compact(part)):
            ledger.pin(part, f"{call.node.name} takes it out alone")


def _run(call: Call, plane: Tensor, rest: list[Any]) -> Any:
    target = call.node.target
    if target in (aten.view.default, aten._unsafe_view.default):
        return plane.reshape(rest[0])
    return function(call.node)(plane, *rest, **call.kwargs)


def _meta_to_shape(argument: Any) -> Any:
    return argument.meta if isinstance(argument, Labelled) else argument


def _lose(call: Call, ledger: Ledger, why: str) -> Planes:
    for value in call.labelled():
        ledger.pin_domain(value, f"{call.node.name} {why}")
        for plane in value.planes:
            ledger.pin(plane, f"{call.node.name} {why}")
    return ()
