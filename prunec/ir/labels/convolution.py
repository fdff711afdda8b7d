"""Convolutions: channels are contracted as in a matrix product, or go one by one where each has a kernel of its own."""

from __future__ import annotations

import torch

from prunec.ir.labels.contraction import contract
from prunec.ir.labels.elementwise import combine_values
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, axis_plane, core, varying_axes

aten = torch.ops.aten
CHANNEL = 1


@rule(aten.conv1d, aten.conv2d, aten.conv3d, aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d)
def convolution(call: Call, ledger: Ledger) -> Planes:
    """A convolution, or its transpose, whose name says which."""
    return _convolved(call, ledger, transposed="transpose" in str(call.node.target))


@rule(aten.convolution)
def either(call: Call, ledger: Ledger) -> Planes:
    """A convolution, or its transpose, by an argument."""
    return _convolved(call, ledger, transposed=bool(call.named("transposed")))


def _convolved(call: Call, ledger: Ledger, *, transposed: bool) -> Planes:
    source, weight = call.args[:2]
    bias = call.named("bias")
    groups = call.named("groups", 1)
    if source.meta.dim() != weight.meta.dim():
        return refuse(call, ledger, "is a convolution without an axis of batches")
    if groups == 1:
        inner, outer = (0, 1) if transposed else (1, 0)
        return contract(call, ledger, activation=0, weight=1, inner=inner, outer=outer, bias=bias, axis=CHANNEL)
    if groups != source.shape[CHANNEL] or transposed:
        return refuse(call, ledger, "is a convolution in groups of several channels")
    return _by_channel(call, ledger, source, weight, bias)


def _by_channel(call: Call, ledger: Ledger, source: Labelled, weight: Labelled, bias: Labelled | None) -> Planes:
    """One or several kernels a channel `[out, 1, *kernel]`: the channel goes with its kernels."""
    operands = []
    copies = weight.shape[0] // source.shape[CHANNEL]
    for plane in source.planes:
        if varying_axes(plane) != {CHANNEL}:
            ledger.pin(plane, f"{call.node.name} mixes its places")
        else:
            labels = core(plane).reshape(-1).repeat_interleave(copies)
            operands.append(Labelled(call.meta, (axis_plane(labels, call.meta.shape, CHANNEL),)))
    if not operands:
        operands.append(Labelled(call.meta))
    for vector in (weight, bias):
        if vector is not None:
            operands.append(_rows(vector, call.meta.dim()))
    return combine_values(operands, call.meta.shape, ledger)


def _rows(vector: Labelled, rank: int) -> Labelled:
    """The labels along the first axis, laid along the axis of channels."""
    shape = torch.Size([1, vector.shape[0], *[1] * (rank - 2)])
    planes = tuple(
        axis_plane(core(plane).reshape(-1), shape, CHANNEL) for plane in vector.planes if varying_axes(plane) == {0}
    )
    return Labelled(torch.empty(shape, device="meta"), planes)
