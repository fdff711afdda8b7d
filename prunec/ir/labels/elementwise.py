"""Elementwise operators: labels at equal places are tied, a broadcast operand is repeated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import POINTWISE, Call, Planes, rule
from prunec.ir.labels.value import Labelled, core, varying_axes

aten = torch.ops.aten


@rule(
    POINTWISE, aten.where, aten.clamp, aten.masked_fill, aten.dropout, aten.copy, aten.polar,
    aten.multiply, aten.subtract, aten.divide, aten.rsub, aten.floor_divide, aten.negative, aten.absolute,
    aten.hardswish, aten.log_sigmoid, aten.special_expit, aten.feature_dropout, aten.alpha_dropout, aten.type_as,
    aten.rrelu, aten.conj, aten.real, aten.imag,
)  # fmt: skip
def elementwise(call: Call, ledger: Ledger) -> Planes:
    """The result carries the labels of all operands."""
    return combine_values(call.labelled(), call.meta.shape, ledger)


@rule(aten.prelu, aten._prelu_kernel)
def by_channel(call: Call, ledger: Ledger) -> Planes:
    """A slope for all, or one a channel, which is the second axis."""
    source, slopes = call.args
    if slopes.meta.dim() == 1 and source.meta.dim() > 1:
        view = [1, -1, *[1] * (source.meta.dim() - 2)]
        slopes = Labelled(slopes.meta.view(view), tuple(plane.reshape(view) for plane in slopes.planes))
    return combine_values((source, slopes), call.meta.shape, ledger)


def combine_values(operands: Sequence[Labelled], shape: torch.Size, ledger: Ledger) -> Planes:
    """The planes of an elementwise result; see `combine` for what is tied.

    An operand that has elements along an axis but no labels there cannot be cut along it, so neither
    can the others: their labels are pinned, and dropped where nothing else hangs on them.
    """
    result: Planes = ()
    for operand in operands:
        result = combine(result, _broadcast_planes(operand, shape), ledger)
    for operand in operands:
        result = tuple(plane for plane in result if not _pin_against(operand, plane, ledger))
    return result


def combine(left: Planes, right: Planes, ledger: Ledger) -> Planes:
    """Tie two values' planes and return the planes of their elementwise result.

    Planes that vary along a common axis are tied there; where one varies along more axes than the
    other, the other's labels each stand for many (see `Ledger.repeated`). Planes that share no axis
    are independent and both live on.
    """
    result = left
    for plane in right:
        result = _with(result, plane, ledger)
    return result


def _with(planes: Planes, plane: Tensor, ledger: Ledger) -> Planes:
    """`planes` and one more, tied to each of them that varies along one of its axes."""
    axes = varying_axes(plane)
    result: Planes = ()
    is_new = True
    for other in planes:
        other_axes = varying_axes(other)
        if axes > other_axes:
            ledger.repeat(plane, other)
            continue
        result = (*result, other)
        if not axes & other_axes:
            continue
        if axes == other_axes:
            ledger.tie(other, plane)
        elif other_axes > axes:
            ledger.repeat(other, plane)
        else:
            _tie_rows(plane, other, ledger)
            continue
        is_new = False
    return (*result, plane) if is_new else result


def _tie_rows(first: Tensor, second: Tensor, ledger: Ledger) -> None:
    """Planes that share some axes and have others each, such as a head's keys times its values: a row goes in both."""
    shared = sorted(varying_axes(first) & varying_axes(second))
    rows = [labels_along(first.shape, shared, ledger) for _ in range(2)]
    for plane, row in zip((first, second), rows, strict=True):
        ledger.repeat(plane, row)
    ledger.tie(*rows)


def _broadcast_planes(value: Labelled, shape: torch.Size) -> Planes:
    return tuple(plane.expand(shape) for plane in value.planes if varying_axes(plane))


def _pin_against(operand: Labelled, plane: Tensor, ledger: Ledger) -> bool:
    """Pin what `operand` cannot follow along the axes of `plane`; whether nothing of the plane can go.

    Where the operand is broadcast along some of the plane's axes, what stays is a slice across
    those: a rotary table pins the dims of a head, not the head.
    """
    offset = plane.dim() - operand.meta.dim()
    real = {axis + offset for axis, size in enumerate(operand.shape) if size > 1}
    labelled = {axis + offset for own in operand.planes for axis in varying_axes(own)}
    axes = varying_axes(plane)
    shared = axes & (real - labelled)
    if not shared:
        return False
    if shared < axes:
        narrow = labels_along(plane.shape, sorted(shared), ledger)
        ledger.repeat(plane, narrow)
        ledger.pin(narrow, "meets a value that cannot be cut")
    else:
        ledger.pin(plane, "meets a value that cannot be cut")
    return shared == axes


def labels_along(shape: torch.Size, axes: list[int], ledger: Ledger) -> Tensor:
    """A plane of fresh labels that vary along `axes` only."""
    view = [size if axis in axes else 1 for axis, size in enumerate(shape)]
    return ledger.fresh(int(torch.Size(view).numel())).view(view).expand(shape)


def labels_of_parts(plane: Tensor, axes: list[int], ledger: Ledger) -> Tensor:
    """A plane of fresh labels that vary along `axes`, which are in order, of a compact plane, and along no other.

    Parts that hold equal labels get one: a head that is laid there again for every window is still one head.
    """
    base = core(plane)
    parts = base.movedim(axes, list(range(len(axes))))
    rows = parts.reshape(parts.shape[: len(axes)].numel(), -1)
    _, which = rows.unique(dim=0, return_inverse=True)
    view = [size if axis in axes else 1 for axis, size in enumerate(base.shape)]
    return ledger.fresh(int(which.max()) + 1)[which].view(view).expand(plane.shape)
