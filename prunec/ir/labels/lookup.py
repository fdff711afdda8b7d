"""Table look-ups: axes that positions do not choose from are as they were.

What is chosen by position stays, unless the positions are places on a labelled axis (`Labelled.domain`): then the axis
that they choose from goes with that one, and the positions are counted anew on both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, Result, refuse, rule
from prunec.ir.labels.value import Labelled, axis_plane, compact, labels_along_axis, varying_axes

aten = torch.ops.aten


@rule(aten.embedding, follows=True)
def embedding(call: Call, ledger: Ledger) -> Planes:
    """`weight[indices]`: the rows are known by number, the columns label the result's last axis."""
    table, positions = call.args[:2]
    rows, columns = table.planes
    if varying_axes(rows) - {0} or varying_axes(columns) - {1}:
        return refuse(call, ledger, "looks up a table that is not laid out as rows and columns")
    if not tie_places(call, positions, labels_along_axis(table, 0), ledger):
        ledger.look_up(rows, call.node)
    _pin_positions(call, positions, ledger)
    return (axis_plane(columns[0], call.meta.shape, call.meta.dim() - 1),)


@rule(aten.index, follows=True)
def index(call: Call, ledger: Ledger) -> Planes | Labelled:
    """`table[..., positions, ...]`: axes with positions are pinned or tied, the others stay as they are."""
    source, indices = call.args
    given = {axis: positions for axis, positions in enumerate(indices) if positions is not None}
    if any(positions.meta.dtype == torch.bool for positions in given.values()):
        return refuse(call, ledger, "picks elements by more than one axis")
    _pin_positions(call, indices, ledger)
    kept = _chosen_from(call, source, given, ledger)
    return Labelled(call.meta, tuple(_picked(call, plane, indices) for plane in kept), source.domain)


def _picked(call: Call, plane: Tensor, indices: list[Labelled | None]) -> Tensor:
    """The plane as the operator would lay it out, from any position: it is constant along the chosen axes."""
    first = [None if item is None else torch.zeros(item.shape, dtype=torch.long) for item in indices]
    picked: Tensor = aten.index.Tensor(plane, first)
    return picked.reshape(call.meta.shape)


@rule(aten.index_select, follows=True)
def index_select(call: Call, ledger: Ledger) -> Labelled:
    """`table.index_select(dim, positions)`: as `index`."""
    source, dim, positions = call.args
    axis = dim % source.meta.dim()
    _pin_positions(call, positions, ledger)
    kept = _chosen_from(call, source, {axis: positions}, ledger)
    return Labelled(call.meta, tuple(plane.narrow(axis, 0, 1).expand(call.meta.shape) for plane in kept), source.domain)


def tie_places(call: Call, positions: Labelled, labels: Tensor | None, ledger: Ledger) -> bool:
    """Tie `labels`, along the axis that numbers choose from, with those of the axis that they are places on.

    Whether that was done: where the numbers are no such places, or there are no labels, the domain is pinned.
    """
    domain = positions.domain
    if domain is None:
        return False
    if labels is None or labels.shape != domain.shape:
        ledger.pin_domain(positions, f"{call.node.name} chooses by it from what cannot be cut")
        return False
    ledger.tie(labels, domain)
    ledger.chosen.append(domain.numpy())
    return True


def _chosen_from(call: Call, source: Labelled, given: Mapping[int, Labelled], ledger: Ledger) -> Planes:
    """The planes that do not vary along the axes `given` with positions; the others are tied to those, or pinned."""
    tied = {axis for axis, item in given.items() if tie_places(call, item, labels_along_axis(source, axis), ledger)}
    rest = Labelled(source.meta, tuple(plane for plane in source.planes if not _is_along(plane, tied)))
    return _apart(call, rest, list(given), ledger)


def _is_along(plane: Tensor, axes: Collection[int]) -> bool:
    """Whether a plane varies along one of some axes alone."""
    return any(varying_axes(plane) == {axis} for axis in axes)


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


@rule(aten.gather, aten.take_along_dim, follows=True)
def gather(call: Call, ledger: Ledger) -> Planes | Labelled:
    """Elements along one axis are picked by position, as in `index`; along others, places are the positions' own."""
    source, dim, positions = call.args[:3]
    axis = dim % source.meta.dim()
    kept = _chosen_from(call, source, {axis: positions}, ledger)
    if source.meta.dim() != call.meta.dim() or any(
        size != source.shape[at] for at, size in enumerate(call.meta.shape) if at != axis
    ):
        return refuse(call, ledger, "picks from a part of it")
    followed = frozenset().union(*map(varying_axes, positions.planes))
    for plane in kept:
        if varying_axes(plane) - followed:
            ledger.pin(plane, f"{call.node.name} picks from it by position")
    laid = Labelled(call.meta, tuple(plane.narrow(axis, 0, 1).expand(call.meta.shape) for plane in kept))
    return Labelled(call.meta, combine_values((laid, positions), call.meta.shape, ledger), source.domain)


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
    aten.masked_scatter, aten.scatter_add, aten.searchsorted, aten.bucketize, aten.nonzero, aten.scatter_reduce,
)  # fmt: skip
def stays(call: Call, ledger: Ledger) -> Result:
    """Numbers of an operand are used as places, or places as numbers, so all of it stays."""
    for plane in (plane for value in call.labelled() for plane in value.planes):
        ledger.pin(plane, f"{call.node.name} takes places from it")
    return ()
