"""Reductions and normalisations: what a sum runs over stands or falls together, or counts for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx

from prunec.ir.labels.elementwise import combine_values, labels_of_parts
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, Result, rule
from prunec.ir.labels.value import Labelled, labels_along_axis, varying_axes
from prunec.ir.nodes import arguments, operator

aten = torch.ops.aten

_LEAST, _MOST = float("-inf"), float("inf")
_ABSENT: Mapping[object, float] = {
    aten.sum: 0.0, aten.nansum: 0.0, aten.cumsum: 0.0, aten.prod: 1.0, aten.cumprod: 1.0,
    aten.amax: _LEAST, aten.max: _LEAST, aten.argmax: _LEAST, aten.topk: _LEAST,
    aten.amin: _MOST, aten.min: _MOST, aten.argmin: _MOST,
    aten.softmax: _LEAST, aten._softmax: _LEAST, aten.log_softmax: _LEAST, aten._log_softmax: _LEAST,
    aten.logsumexp: _LEAST, aten.logcumsumexp: _LEAST,
}  # fmt: skip
"""The number that an element can be replaced by to make what an operator gives that of all the others."""


def _absent(source: Labelled, node: fx.Node) -> float | None:
    """That number for a call on `source`, if there is one of its type."""
    number = _ABSENT.get(operator(node))
    return None if number in (_LEAST, _MOST) and not source.meta.is_floating_point() else number


@rule(
    aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.prod, aten.linalg_vector_norm, aten.norm,
    aten.logsumexp, aten.any, aten.all, aten.nansum, aten.count_nonzero,
)  # fmt: skip
def reduce(call: Call, ledger: Ledger) -> Planes:
    """Labels along the reduced axes form one set; a plane that also varies elsewhere leaves a narrow label a sum.

    Of a mean, some can go: its denominator stays.
    """
    return _reduced(call, ledger, call.meta)


@rule(aten.argmax, aten.argmin)
def choose(call: Call, ledger: Ledger) -> Result:
    """A reduction to the place of one element."""
    dim = call.named("dim")
    if dim is None:
        raise ValueError("it counts the elements of all axes")
    return Labelled(call.meta, _reduced(call, ledger, call.meta, chosen=1), labels_along_axis(call.args[0], dim))


@rule(aten.max, aten.min, aten.median, aten.var_mean, aten.std_mean)
def reduce_twice(call: Call, ledger: Ledger) -> Result:
    """A reduction with two results, or one of everything; of two operands, the larger or smaller element."""
    if isinstance(call.meta, Tensor):
        if len(call.labelled()) > 1:
            return combine_values(call.labelled(), call.meta.shape, ledger)
        return _reduced(call, ledger, call.meta)
    first, second = call.meta
    if operator(call.node) in (aten.var_mean, aten.std_mean):
        return [_reduced(call, ledger, result) for result in call.meta]
    planes = _reduced(call, ledger, first, chosen=1)
    return [Labelled(first, planes), Labelled(second, planes, labels_along_axis(call.args[0], call.named("dim")))]


def _reduced(call: Call, ledger: Ledger, meta: Tensor, *, chosen: int = 0) -> Planes:
    """The planes of a result; `chosen` elements are chosen by their place."""
    source: Labelled = call.args[0]
    axes = _axes(call.named("dim"), source.meta.dim())
    keepdim = meta.dim() == source.meta.dim()
    result = []
    for plane in source.planes:
        varying = varying_axes(plane)
        rest = sorted(varying - set(axes))
        summed = plane
        if varying & set(axes):
            if operator(call.node) is aten.mean:
                ledger.mean(plane, axes, call.node)
            else:
                ledger.reduce(plane, axes, call.node, absent=_absent(source, call.node), chosen=chosen)
            if rest:
                summed = labels_of_parts(plane, rest, ledger)
                ledger.repeat(plane, summed)
        if rest:
            result.append(_collapse(summed, axes, keepdim))
    return tuple(result)


def _axes(dim: int | Sequence[int] | None, rank: int) -> list[int]:
    if dim is None or (not isinstance(dim, int) and not dim):
        return list(range(rank))
    listed = [dim] if isinstance(dim, int) else list(dim)
    return sorted(axis % rank for axis in listed)


def _collapse(plane: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in reversed(axes):
        plane = plane.narrow(axis, 0, 1) if keepdim else plane.select(axis, 0)
    return plane


@rule(aten.softmax, aten._softmax, aten.log_softmax, aten._log_softmax, aten.cumsum, aten.cumprod, aten.logcumsumexp)
def along_axis(call: Call, ledger: Ledger) -> Planes:
    """Shape and labels stay; what varies along the axis stands or falls together.

    Left out of a cumulative sum, zeros change none of the sums at other places.
    """
    source: Labelled = call.args[0]
    axis = call.named("dim") % source.meta.dim()
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.reduce(plane, [axis], call.node, absent=_absent(source, call.node))
    return source.planes


@rule(aten.topk)
def chosen(call: Call, ledger: Ledger) -> Result:
    """The largest elements along an axis, and their places, along any other axis as they were.

    Labels along the axis are what the places are on. Where they differ from row to row, such as groups of elements,
    a row goes whole or not at all, so that its places stay what they are.
    """
    source: Labelled = call.args[0]
    axis, count = call.named("dim", -1) % source.meta.dim(), arguments(call.node)[1]
    if not isinstance(count, int):  # it is computed, so that it may be any
        return ranked(call, ledger)
    absent = _absent(source, call.node) if call.named("largest", True) else None
    planes: list[Tensor] = []
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.reduce(plane, [axis], call.node, absent=absent, chosen=count)
            rest = sorted(varying_axes(plane) - {axis})
            if rest:
                rows = labels_of_parts(plane, rest, ledger)
                ledger.repeat(plane, rows)
                planes.append(rows)
        else:
            planes.append(plane)
    values, places = call.meta
    laid = tuple(plane.narrow(axis, 0, 1).expand(values.shape) for plane in planes)
    return [Labelled(values, laid), Labelled(places, laid, labels_along_axis(source, axis))]


@rule(aten.sort, follows=True)
def ordered(call: Call, ledger: Ledger) -> Result:
    """As `ranked`; places on an axis are still such places, in the same order whatever of the axis is left."""
    values, places = _told_apart(call, ledger, call.meta)
    return [Labelled(call.meta[0], values, call.args[0].domain), Labelled(call.meta[1], places)]


@rule(aten.argsort, aten.diff, aten.cummax, aten.cummin)
def ranked(call: Call, ledger: Ledger) -> Result:
    """Elements along the axis are told apart by their places, so they stay; along the others nothing changes."""
    if isinstance(call.meta, Tensor):
        return _told_apart(call, ledger, [call.meta])[0]
    return _told_apart(call, ledger, call.meta)


def _told_apart(call: Call, ledger: Ledger, results: Sequence[Tensor]) -> list[Planes]:
    source: Labelled = call.args[0]
    axis = call.named("dim", -1) % source.meta.dim()
    kept: list[Tensor] = []
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.pin(plane, f"{call.node.name} tells its places apart")
        else:
            kept.append(plane.narrow(axis, 0, 1))
    return [tuple(plane.expand(result.shape) for plane in kept) for result in results]
