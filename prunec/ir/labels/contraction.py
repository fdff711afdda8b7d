"""Products with weights: the contracted side is tied, the result carries the weight's other side."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from prunec.ir.labels.elementwise import combine_values, labels_of_parts
from prunec.ir.labels.ledger import Contraction, Ledger
from prunec.ir.labels.product import product
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, axis_plane, core, varying_axes
from prunec.ir.nodes import function, operator, read

aten = torch.ops.aten
_BEYOND = 10_000
_TRANSPOSES = (aten.t, aten.transpose, aten.permute, aten.swapaxes, aten.movedim)


@rule(aten.linear)
def linear(call: Call, ledger: Ledger) -> Planes:
    """`x @ weight.T + bias`, weight `[out, in]`."""
    bias = call.argument(2, "bias")
    return contract(call, ledger, activation=0, weight=1, inner=1, outer=0, bias=bias)


@rule(aten.addmm)
def addmm(call: Call, ledger: Ledger) -> Planes:
    """`bias + x @ weight`, weight `[in, out]`."""
    return contract(call, ledger, activation=1, weight=2, inner=0, outer=1, bias=call.args[0])


@rule(aten.mm, aten.matmul, aten.bmm)
def matmul(call: Call, ledger: Ledger) -> Planes:
    """`x @ weight` with a stored matrix, one a batch where it is a stack of them, or a product of two activations."""
    right: Labelled = call.args[1]
    stored = _stored(read(call.node, 1), right.meta.dim())
    if stored is None or right.meta.dim() < 2:
        return product(call, ledger, *call.args)
    if right.meta.dim() == 2:
        return contract(call, ledger, activation=0, weight=1, inner=0, outer=1, bias=None)
    result = product(call, ledger, *call.args, is_site=True)
    _note(call, ledger, 0, -1, stored[0], stored[1][-2])
    return result


@rule(aten.baddbmm)
def batched_sum(call: Call, ledger: Ledger) -> Planes:
    """`bias + x @ y`, one a batch."""
    bias, left, right = call.args[:3]
    result = Labelled(call.meta, product(call, ledger, left, right, argument=1))
    return combine_values((result, bias), call.meta.shape, ledger)


def contract(
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
    """A product of an activation, along `axis`, with a weight: its axis `inner` is contracted, `outer` lives on.

    The numbers `activation` and `weight` say which arguments of the call these are.
    """
    table: Labelled = call.args[weight]
    stored = _stored(read(call.node, weight), table.meta.dim())
    if stored is not None:
        result = _with_stored(call, ledger, activation, table, stored, (inner, outer), axis)
    elif axis == -1 and table.meta.dim() == 2:
        result = product(call, ledger, call.args[activation], _permuted(table, (inner, outer)), argument=activation)
    else:
        return refuse(call, ledger, "multiplies by a computed weight")
    if bias is None:
        return result
    if bias.meta.dim() == 1 and axis != -1:
        view = [-1 if at == axis else 1 for at in range(call.meta.dim())]
        bias = Labelled(bias.meta.reshape(view), tuple(plane.reshape(view) for plane in bias.planes))
    return combine_values((Labelled(call.meta, result), bias), call.meta.shape, ledger)


def _with_stored(
    call: Call,
    ledger: Ledger,
    activation: int,
    table: Labelled,
    stored: tuple[str, tuple[int, ...]],
    sides: tuple[int, int],
    axis: int,
) -> Planes:
    """The planes of a product with a stored weight, whose axes `sides` are contracted and live on."""
    source: Labelled = call.args[activation]
    name, order = stored
    inner, outer = (_along(table.planes[order[side]], side) for side in sides)
    at = axis % source.meta.dim()
    contracted = [plane for plane in source.planes if at in varying_axes(plane)]
    if len(contracted) == 1 and axis == -1 and varying_axes(contracted[0]) != {at}:
        ledger.multiply(contracted[0], call.node, activation)
        ledger.contractions.append(Contraction(call.node, activation, axis, name, order[sides[0]], inner.numpy()))
        return _by_row(call, ledger, source, contracted[0], inner, outer)
    if len(contracted) > 1 or any(varying_axes(plane) != {at} for plane in contracted):
        return refuse(call, ledger, "contracts an axis that is laid out together with another")
    for labels in (core(plane).reshape(-1) for plane in contracted):
        ledger.tie(labels, inner)
    _note(call, ledger, activation, at - source.meta.dim(), name, order[sides[0]])
    if not contracted:
        ledger.pin_edge(inner, call.node)
    kept = [plane.narrow(at, 0, 1) for plane in source.planes if at not in varying_axes(plane)]
    if axis != -1:  # a convolution, or rows that are chosen one by one
        for plane in kept:
            ledger.pin(plane, f"{call.node.name} mixes its places")
        kept = []
    own = axis_plane(outer, call.meta.shape, axis % call.meta.dim())
    return (*(plane.expand(call.meta.shape) for plane in kept), own)


def _by_row(call: Call, ledger: Ledger, source: Labelled, plane: Tensor, inner: Tensor, outer: Tensor) -> Planes:
    """One matrix for rows with labels of their own, such as heads: a row lives on, the matrix outlives any one."""
    last = plane.dim() - 1
    ledger.repeat(plane, inner)
    rows = labels_of_parts(plane, sorted(varying_axes(plane) - {last}), ledger)
    ledger.repeat(plane, rows)
    kept = (other for other in source.planes if last not in varying_axes(other))
    narrow = (other.narrow(last, 0, 1).expand(call.meta.shape) for other in (*kept, rows))
    return (*narrow, axis_plane(outer, call.meta.shape, last))


def _note(call: Call, ledger: Ledger, activation: int, axis: int, name: str, dim: int) -> None:
    """Note that `axis` (from the end) of an activation is contracted with a stored weight."""
    for plane in call.args[activation].planes:
        if varying_axes(plane) == {plane.dim() + axis}:
            labels = core(plane).reshape(-1).numpy()
            ledger.contractions.append(Contraction(call.node, activation, axis, name, dim, labels))


def _stored(weight: fx.Node, rank: int) -> tuple[str, tuple[int, ...]] | None:
    """The name of the tensor that `weight` is, a transpose or a slice of it, and the stored axis behind each axis."""
    calls = []
    while operator(weight) in (*_TRANSPOSES, aten.select):
        calls.append(weight)
        weight = read(weight, 0)
    if weight.op != "get_attr":
        return None
    rank += sum(operator(node) is aten.select for node in calls)
    # Axis i has size i beyond any index, so that shapes tell where axes went.
    axes = torch.empty([_BEYOND + axis for axis in range(rank)], device="meta")
    for node in reversed(calls):
        axes = function(node)(axes, *node.args[1:], **node.kwargs)
    return str(weight.target), tuple(size - _BEYOND for size in axes.shape)


def _permuted(value: Labelled, order: tuple[int, ...]) -> Labelled:
    return Labelled(value.meta.permute(order), tuple(plane.permute(order) for plane in value.planes))


def _along(plane: Tensor, axis: int) -> Tensor:
    """The labels of a plane along the one axis on which it varies."""
    return plane.movedim(axis, -1).reshape(-1, plane.shape[axis])[0] if plane.numel() else plane.reshape(-1)
