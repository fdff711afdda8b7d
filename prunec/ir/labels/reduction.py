"""Reductions and normalisations: what a sum runs over stands or falls together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values, labels_of_parts
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, Result, rule
from prunec.ir.labels.value import Labelled, varying_axes
from prunec.ir.nodes import operator

aten = torch.ops.aten


@rule(
    aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.prod, aten.linalg_vector_norm, aten.norm,
    aten.logsumexp, aten.argmax, aten.argmin, aten.any, aten.all, aten.nansum, aten.count_nonzero,
)  # fmt: skip
def reduce(call: Call, ledger: Ledger) -> Planes:
    """Labels along the reduced axes form one set; a plane that also varies elsewhere leaves a narrow label a sum.

    Of a mean, some can go: its denominator stays.
    """
    return _reduced(call, ledger, call.meta)


@rule(aten.max, aten.min, aten.median, aten.var_mean, aten.std_mean)
def reduce_twice(call: Call, ledger: Ledger) -> Result:
    """A reduction with two results, or one of everything; of two operands, the larger or smaller element."""
    if isinstance(call.meta, Tensor):
        if len(call.labelled()) > 1:
            return combine_values(call.labelled(), call.meta.shape, ledger)
        return _reduced(call, ledger, call.meta)
    return [_reduced(call, ledger, result) for result in call.meta]


def _reduced(call: Call, ledger: Ledger, meta: Tensor) -> Planes:
    source: Labelled = call.args[0]
    axes = _axes(call.named("dim"), source.meta.dim())
    keepdim = meta.dim() == source.meta.dim()
    result = []
    for plane in source.planes:
        varying = varying_axes(plane)
        rest = sorted(varying - set(axes))
        summed = plane
        if varying & set(axes):
            over = ledger.mean if operator(call.node) is aten.mean else ledger.reduce
            over(plane, axes, call.node)
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
    """Shape and labels stay; what varies along the axis stands or falls together."""
    source: Labelled = call.args[0]
    axis = call.named("dim") % source.meta.dim()
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.reduce(plane, [axis], call.node)
    return source.planes


@rule(aten.topk, aten.sort, aten.argsort, aten.diff, aten.cummax, aten.cummin)
def ranked(call: Call, ledger: Ledger) -> Result:
    """Elements along the axis are told apart by their places, so they stay; along the others nothing changes."""
    source: Labelled = call.args[0]
    axis = call.named("dim", -1) % source.meta.dim()
    results = [call.meta] if isinstance(call.meta, Tensor) else list(call.meta)
    kept: list[Tensor] = []
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.pin(plane, f"{call.node.name} tells its places apart")
        else:
            kept.append(plane.narrow(axis, 0, 1))
    planes = [tuple(plane.expand(result.shape) for plane in kept) for result in results]
    return planes[0] if isinstance(call.meta, Tensor) else planes
