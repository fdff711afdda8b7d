"""Table look-ups: what is chosen by position stays; axes that positions do not choose from are as they were."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, axis_plane, compact, varying_axes

aten = torch.ops.aten


@rule(aten.embedding)
def embedding(call: Call, ledger: Ledger) -> Planes:
    """`weight[indices]`: the rows are pinned, the columns label the result's last axis."""
    table: Labelled = call.args[0]
    rows, columns = table.planes
    ledger.pin(rows, "rows are looked up by an input")
    _pin_positions(call, call.args[1], ledger)
    return (axis_plane(columns[0], call.meta.shape, call.meta.dim() - 1),)


@rule(aten.index)
def index(call: Call, ledger: Ledger) -> Planes:
    """`table[..., positions, ...]`: axes with positions are pinned, the others stay as they are."""
    source, indices = call.args
    given = [axis for axis, positions in enumerate(indices) if positions is not None]
    if any(indices[axis].meta.dtype == torch.bool for axis in given):
        return refuse(call, ledger, "picks elements by more than one axis")
    _pin_positions(call, indices, ledger)
    return tuple(_picked(call, plane, indices) for plane in _apart(call, source, given, ledger))


def _picked(call: Call, plane: Tensor, indices: list[Labelled | None]) -> Tensor:
    """The plane as the operator would lay it out, from any position: it is constant along the chosen axes."""
    first = [None if item is None else torch.zeros(item.shape, dtype=torch.long) for item in indices]
    picked: Tensor = aten.index.Tensor(plane, first)
    return picked.reshape(call.meta.shape)


@rule(aten.index_select)
def index_select(call: Call, ledger: Ledger) -> Planes:
    """`table.index_select(dim, positions)`: as `index`."""
    source, dim, positions = call.args
    axis = dim % source.meta.dim()
    _pin_positions(call, positions, ledger)
    kept = _apart(call, source, [axis], ledger)
    return tuple(plane.narrow(axis, 0, 1).expand(call.meta.shape) for plane in kept)


def _apart(call: Call, source: Labelled, axes: list[int], ledger: Ledger) -> Planes:
    """The planes without `axes`: what varies along those alone is pinned, of the others all places there go together.

    So a row of a table that is laid out for each head, as in `[heads, rows]`, goes with the head or not at all.
    """
    kept = []
    for plane in source.planes:
        varying = varying_axes(plane)
        rest = sorted(varying - set(axes))
        if rest and varying & set(axes):
            whole = plane
            for axis in varying & set(axes):
                plane = plane.narrow(axis, 0, 1).expand(plane.shape)
            ledger.tie(whole, plane)
        if rest:
            kept.append(plane)
        else:
            ledger.pin(plane, f"{call.node.name} picks from it by position")
    return tuple(kept)


def _pin_positions(call: Call, positions: Any, ledger: Ledger) -> None:
    """Positions that are computed from something that could be cut."""
    listed = positions if isinstance(positions, (list, tuple)) else [positions]
    for plane in (plane for item in listed if isinstance(item, Labelled) for plane in item.planes):
        ledger.pin(plane, f"{call.node.name} takes positions from it")


@rule(aten.gather, aten.take_along_dim)
def gather(call: Call, ledger: Ledger) -> Planes:
    """Elements along one axis are picked by position, so they stay; along the others, places are the positions' own."""
    source, dim, positions = call.args[:3]
    axis = dim % source.meta.dim()
    kept = _apart(call, source, [axis], ledger)
    if source.meta.dim() != call.meta.dim() or any(
        size != source.shape[at] for at, size in enumerate(call.meta.shape) if at != axis
    ):
        return refuse(call, ledger, "picks from a part of it")
    followed = frozenset().union(*map(varying_axes, positions.planes))
    for plane in kept:
        if varying_axes(plane) - followed:
            ledger.pin(plane, f"{call.node.name} picks from it by position")
    laid = Labelled(call.meta, tuple(plane.narrow(axis, 0, 1).expand(call.meta.shape) for plane in kept))
    return combine_values((laid, positions), call.meta.shape, ledger)


@rule(aten.index_put, aten.index_add, aten.index_copy, aten.index_fill)
def put(call: Call, ledger: Ledger) -> Planes:
    """Rows are written by position: chosen axes are pinned, along the others what is written goes with its place."""
    source: Labelled = call.args[0]
    if isinstance(call.args[1], (list, tuple)):
        indices, values = call.args[1], call.args[2]
        given = [axis for axis, positions in enumerate(indices) if positions is not None]
        behind = source.meta.dim() - 1 - max(given)
        if any(indices[axis].meta.dtype == torch.bool for axis in given):
            return refuse(call, ledger, "picks elements by more than one axis")
    else:
        given, indices, values = [call.args[1] % source.meta.dim()], call.args[2], call.args[3]
        behind = source.meta.dim() - 1 - given[0]
    _pin_positions(call, indices, ledger)
    kept = Labelled(source.meta, _apart(call, source, given, ledger))
    if not isinstance(values, Labelled):
        return kept.planes
    return combine_values((kept, _behind(call, values, behind, source, ledger)), source.shape, ledger)


def _behind(call: Call, values: Labelled, count: int, source: Labelled, ledger: Ledger) -> Labelled:
    """What is written, along the last `count` axes, which are the target's; along the others it is pinned."""
    count = min(count, values.meta.dim())
    lead = values.meta.dim() - count
    kept = _apart(call, values, list(range(lead)), ledger)
    shape = [1] * (source.meta.dim() - count) + list(values.shape[lead:])
    planes = (plane[(0,) * lead] if lead else plane for plane in kept)
    return Labelled(torch.empty(shape, device="meta"), tuple(compact(plane.expand(shape)) for plane in planes))


@rule(
    aten.bincount, aten.histc, aten.one_hot, aten.masked_scatter, aten.scatter, aten.scatter_add, aten.searchsorted,
    aten.bucketize, aten.nonzero, aten.scatter_reduce,
)  # fmt: skip
def stays(call: Call, ledger: Ledger) -> Planes:
    """Numbers of an operand are used as places, or places as numbers, so all of it stays."""
    for plane in (plane for value in call.labelled() for plane in value.planes):
        ledger.pin(plane, f"{call.node.name} takes places from it")
    return ()
