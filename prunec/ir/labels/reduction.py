"""Reductions and normalisations: what a sum runs over stands or falls together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values, labels_along
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes

aten = torch.ops.aten


@rule(aten.mean, aten.sum, aten.amax, aten.amin, aten.var, aten.std, aten.prod, aten.linalg_vector_norm)
def reduce(call: Call, ledger: Ledger) -> Planes:
    """Labels along the reduced axes form one set; a plane that also varies elsewhere leaves a narrow label a sum."""
    source: Labelled = call.args[0]
    is_norm = call.node.target is aten.linalg_vector_norm.default
    axes = _axes(call.argument(2 if is_norm else 1, "dim"), source.meta.dim())
    keepdim = call.meta.dim() == source.meta.dim()
    result = []
    for plane in source.planes:
        varying = varying_axes(plane)
        rest = sorted(varying - set(axes))
        summed = plane
        if varying & set(axes):
            ledger.reduce(plane, axes)
            summed = labels_along(plane.shape, rest, ledger)
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


@rule(aten.softmax, aten._softmax, aten.log_softmax, aten.cumsum)
def along_axis(call: Call, ledger: Ledger) -> Planes:
    """Shape and labels stay; what varies along the axis stands or falls together."""
    source: Labelled = call.args[0]
    axis = call.argument(1, "dim") % source.meta.dim()
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.reduce(plane, [axis])
    return source.planes


@rule(aten.layer_norm, aten.rms_norm)
def normalise(call: Call, ledger: Ledger) -> Planes:
    """Normalisation over the last axes: one set a normalised row, weight and bias tied to it."""
    source: Labelled = call.args[0]
    count = len(call.args[1])
    axes = list(range(source.meta.dim() - count, source.meta.dim()))
    for plane in source.planes:
        if varying_axes(plane) & set(axes):
            ledger.reduce(plane, axes)
    operands = [source, *(operand for operand in call.args[2:4] if isinstance(operand, Labelled))]
    return combine_values(operands, source.shape, ledger)
