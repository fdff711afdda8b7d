"""Joining: parts side by side along one axis must agree along every other."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes

aten = torch.ops.aten
_STAYS = "is joined with a value that cannot be cut"


@rule(aten.cat, aten.concat, aten.concatenate)
def join(call: Call, ledger: Ledger) -> Planes:
    """Join planes that vary along the joined axis; planes that do not must shrink alike, so they are tied."""
    dim = call.named("dim", 0) % call.meta.dim()
    parts = [part for part in call.args[0] if part.meta.dim() == call.meta.dim()]  # torch skips empty vectors
    parts = [part for part in parts if part.shape[dim]] or parts
    return _join(parts, dim, call.meta.shape, ledger)


@rule(aten.stack)
def stack(call: Call, ledger: Ledger) -> Planes:
    """Join along an axis of its own."""
    dim = call.named("dim", 0) % call.meta.dim()
    return _join([_unsqueezed(part, dim) for part in call.args[0]], dim, call.meta.shape, ledger)


@rule(aten.slice_scatter)
def slice_scatter(call: Call, ledger: Ledger) -> Planes:
    """What is before the part that is written, that part, and what is behind it, joined."""
    source: Labelled = call.args[0]
    dim, step = call.named("dim", 0) % call.meta.dim(), call.named("step", 1)
    if step != 1:
        raise ValueError(f"it writes with step {step}")
    size = source.shape[dim]
    start, end, _ = slice(call.named("start"), call.named("end")).indices(size)
    return _overwritten(source, call.args[1], dim, start, max(start, end), ledger)


@rule(aten.select_scatter)
def select_scatter(call: Call, ledger: Ledger) -> Planes:
    """What is before the index that is written, that index, and what is behind it, joined."""
    source, part = call.args[:2]
    dim = call.named("dim") % call.meta.dim()
    at = call.named("index") % source.shape[dim]
    return _overwritten(source, _unsqueezed(part, dim), dim, at, at + 1, ledger)


def _overwritten(source: Labelled, part: Labelled, dim: int, start: int, end: int, ledger: Ledger) -> Planes:
    before = _narrowed(source, dim, 0, start)
    behind = _narrowed(source, dim, end, source.shape[dim] - end)
    parts = [item for item in (before, part, behind) if item.shape[dim]]
    return _join(parts, dim, source.shape, ledger)


def _narrowed(value: Labelled, dim: int, start: int, length: int) -> Labelled:
    planes = tuple(plane.narrow(dim, start, length) for plane in value.planes)
    return Labelled(value.meta.narrow(dim, start, length), planes)


def _unsqueezed(value: Labelled, dim: int) -> Labelled:
    return Labelled(value.meta.unsqueeze(dim), tuple(plane.unsqueeze(dim) for plane in value.planes))


def _join(parts: list[Labelled], dim: int, shape: torch.Size, ledger: Ledger) -> Planes:
    """Every plane of every part ends up in a joined one, beside planes of other parts that share an axis with it."""
    own = [[plane for plane in part.planes if varying_axes(plane)] for part in parts]
    for plane in (plane for part in parts for plane in part.planes if not varying_axes(plane)):
        ledger.pin(plane, _STAYS)
    _pin_against_others(parts, own, dim, ledger)
    used: set[int] = set()
    joined = []
    for model in [plane for planes in sorted(own, key=len, reverse=True) for plane in planes]:
        if id(model) in used:
            continue
        found = [model if _holds(planes, model) else _partner(planes, model, used) for planes in own]
        used |= {id(plane) for plane in found}
        planes = [_still(part, ledger) if plane is None else plane for part, plane in zip(parts, found, strict=True)]
        if any(dim in varying_axes(plane) for plane in planes):
            joined.append(torch.cat(planes, dim))
        else:
            joined.append(_tied(planes, shape, dim, ledger))
    return tuple(joined)


def _holds(planes: list[Tensor], model: Tensor) -> bool:
    return any(plane is model for plane in planes)


def _partner(planes: list[Tensor], model: Tensor, used: set[int]) -> Tensor | None:
    """The plane of another part that shares an axis with `model`, one that is not used yet where there is one."""
    sharing = [plane for plane in planes if varying_axes(plane) & varying_axes(model)]
    return min(sharing, key=lambda plane: id(plane) in used, default=None)


def _pin_against_others(parts: list[Labelled], own: list[list[Tensor]], dim: int, ledger: Ledger) -> None:
    """Pin what varies along an axis on which another part has no labels to follow by."""
    followed = [frozenset({dim}).union(*map(varying_axes, planes)) for planes in own]
    for plane in (plane for planes in own for plane in planes):
        if any(varying_axes(plane) - axes for axes in followed):
            ledger.pin(plane, _STAYS)


def _tied(planes: list[Tensor], shape: torch.Size, dim: int, ledger: Ledger) -> Tensor:
    first, *others = sorted((plane.narrow(dim, 0, 1) for plane in planes), key=lambda plane: -len(varying_axes(plane)))
    for other in others:
        (ledger.repeat if varying_axes(first) > varying_axes(other) else ledger.tie)(first, other)
    return first.expand(shape)


def _still(part: Labelled, ledger: Ledger) -> Tensor:
    label = ledger.fresh(1)
    ledger.pin(label, _STAYS)
    return label.view([1] * part.meta.dim()).expand(part.shape)
