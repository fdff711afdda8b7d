"""Products with weights: the contracted side is tied, the result carries the weight's other side."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine
from prunec.ir.labels.ledger import Contraction, Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, axis_plane, core, varying_axes

aten = torch.ops.aten


@rule(aten.linear)
def linear(call: Call, ledger: Ledger) -> Planes:
    """`x @ weight.T + bias`, weight `[out, in]`."""
    bias = call.argument(2, "bias")
    return _product(call, ledger, activation=0, weight=1, inner=1, outer=0, bias=bias)


@rule(aten.addmm)
def addmm(call: Call, ledger: Ledger) -> Planes:
    """`bias + x @ weight`, weight `[in, out]`."""
    return _product(call, ledger, activation=1, weight=2, inner=0, outer=1, bias=call.args[0])


@rule(aten.mm, aten.matmul)
def matmul(call: Call, ledger: Ledger) -> Planes:
    """`x @ weight` with a two-dimensional weight; products of two activations are not understood yet."""
    right: Labelled = call.args[1]
    if _weight_name(call, 1) is None or right.meta.dim() != 2:
        return refuse(call, ledger, "is a product of two activations outside an attention operator")
    return _product(call, ledger, activation=0, weight=1, inner=0, outer=1, bias=None)


@rule(aten.conv1d, aten.conv2d, aten.conv3d, aten.convolution)
def convolution(call: Call, ledger: Ledger) -> Planes:
    """Channels are contracted as in a matrix product; grouped convolutions are not cut."""
    groups_at = 8 if call.node.target is aten.convolution.default else 6
    if call.argument(groups_at, "groups", 1) != 1:
        return refuse(call, ledger, "is a grouped convolution")
    if call.node.target is aten.convolution.default and call.args[6]:
        return refuse(call, ledger, "is a transposed convolution")
    bias = call.argument(2, "bias")
    return _product(call, ledger, activation=0, weight=1, inner=1, outer=0, bias=bias, axis=1)


def _product(
    call: Call,
    ledger: Ledger,
    *,
    activation: int,
    weight: int,
    inner: int,
    outer: int,
    bias: Labelled | None,
    axis: int = -1,
) -> Planes:
    source: Labelled = call.args[activation]
    table: Labelled = call.args[weight]
    name = _weight_name(call, weight)
    if name is None or len(table.planes) != table.meta.dim():
        return refuse(call, ledger, "multiplies by a computed weight")
    inner_labels, outer_labels = (_labels_of_axis(table, dim) for dim in (inner, outer))
    at = axis % source.meta.dim()
    carried = []
    contracted: Tensor | None = None
    for plane in source.planes:
        axes = varying_axes(plane)
        if at not in axes:
            carried.append(plane.narrow(at, 0, 1).expand(call.meta.shape))
        elif axes == {at} and contracted is None:
            contracted = core(plane).reshape(-1)
        else:
            return refuse(call, ledger, "contracts an axis that is laid out together with another")
    if contracted is None:
        ledger.pin(inner_labels, "reads a value that cannot be cut")
    else:
        ledger.tie(contracted, inner_labels)
        ledger.contractions.append(Contraction(call.node, activation, name, inner, contracted.numpy().astype(np.int64)))
    result: Planes = (*carried, axis_plane(outer_labels, call.meta.shape, axis % call.meta.dim()))
    if bias is not None and bias.planes:
        own = axis_plane(bias.planes[-1].reshape(-1), call.meta.shape, axis % call.meta.dim())
        result = combine(result, (own,), ledger)
    return result


def _weight_name(call: Call, index: int) -> str | None:
    """The name of the tensor behind argument `index`, if it is one as stored."""
    source: Any = call.node.args[index]
    return str(source.target) if source.op == "get_attr" else None


def _labels_of_axis(table: Labelled, dim: int) -> Tensor:
    plane = table.planes[dim]
    return (
        plane.movedim(dim, -1).reshape(-1, plane.shape[dim])[0] if plane.dim() > 1 and 0 not in plane.shape else plane
    )


def refuse(call: Call, ledger: Ledger, why: str) -> Planes:
    """Pin all that a call touches, and say why."""
    for argument in (*call.args, *call.kwargs.values()):
        for value in argument if isinstance(argument, (list, tuple)) else [argument]:
            if isinstance(value, Labelled):
                for plane in value.planes:
                    ledger.pin(plane, f"{call.node.name} {why}")
    if call.node not in ledger.unruled:
        ledger.unruled.append(call.node)
    return ()
