"""Elementwise operators: labels at equal places are tied, a broadcast operand is repeated."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, planes_of, rule
from prunec.ir.labels.value import Labelled, varying_axes

aten = torch.ops.aten


@rule(aten.where, aten._to_copy, aten.to, aten.clamp, aten.masked_fill, aten.dropout)
def elementwise(call: Call, ledger: Ledger) -> Planes:
    """The result carries the labels of all operands; see `combine` for what is tied."""
    shape = call.meta.shape
    result: Planes = ()
    operands = planes_of(call)
    for operand in operands:
        result = combine(result, _broadcast_planes(operand, shape), ledger)
    for operand in operands:
        if not operand.planes:
            _pin_against(operand, result, ledger)
    return result


def combine(left: Planes, right: Planes, ledger: Ledger) -> Planes:
    """Tie two values' planes and return the planes of their elementwise result.

    Planes that vary along a common axis are tied there; where one varies along more axes than the
    other, the other's labels each stand for many (see `Ledger.repeated`). Planes that share no axis
    are independent and both live on.
    """
    result = list(left)
    for plane in right:
        axes = varying_axes(plane)
        for index, other in enumerate(result):
            other_axes = varying_axes(other)
            if not axes & other_axes:
                continue
            if axes == other_axes:
                ledger.tie(other, plane)
            elif other_axes > axes:
                ledger.repeat(other, plane)
            elif axes > other_axes:
                ledger.repeat(plane, other)
                result[index] = plane
            else:
                ledger.pin(plane, "broadcast against another axis in both directions")
                ledger.pin(other, "broadcast against another axis in both directions")
            break
        else:
            result.append(plane)
    return tuple(result)


def _broadcast_planes(value: Labelled, shape: torch.Size) -> Planes:
    return tuple(plane.expand(shape) for plane in value.planes if varying_axes(plane))


def _pin_against(operand: Labelled, planes: Planes, ledger: Ledger) -> None:
    """An operand without labels cannot be cut, so along every axis that it really has, nothing goes.

    Where it is broadcast along some of a plane's axes, what stays is a slice across those: a rotary
    table pins the dims of a head, not the head.
    """
    if not planes or operand.meta.numel() == 1:
        return
    shape = planes[0].shape
    offset = len(shape) - operand.meta.dim()
    real = {axis + offset for axis, size in enumerate(operand.shape) if size > 1}
    for plane in planes:
        axes = varying_axes(plane)
        shared = axes & real
        if not shared:
            continue
        if shared == axes:
            ledger.pin(plane, "meets a value that cannot be cut")
        else:
            narrow = labels_along(shape, sorted(shared), ledger)
            ledger.repeat(plane, narrow)
            ledger.pin(narrow, "meets a value that cannot be cut")


def labels_along(shape: torch.Size, axes: list[int], ledger: Ledger) -> Tensor:
    """A plane of fresh labels that vary along `axes` only."""
    view = [size if axis in axes else 1 for axis, size in enumerate(shape)]
    return ledger.fresh(int(torch.Size(view).numel())).view(view).expand(shape)
