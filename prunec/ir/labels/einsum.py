"""Sums of products in Einstein's notation, as the matrix products that they are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.product import product
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, compact

aten = torch.ops.aten


@rule(aten.einsum)
def einsum(call: Call, ledger: Ledger) -> Planes:
    """Two operands: axes of both that stay are the batch, those of both that go are contracted."""
    if len(call.args[1]) != 2:
        return refuse(call, ledger, "is a sum of products of other than two values")
    left, right = call.args[1]
    first, second, out = _letters(call.args[0], left.meta.dim(), right.meta.dim())
    both = [axis for axis in first if axis in second]
    batch, inner = [axis for axis in both if axis in out], [axis for axis in both if axis not in out]
    rows, columns = ([axis for axis in own if axis not in both] for own in (first, second))
    if len(inner) != 1 or set(rows + columns) - set(out) or any(len(set(own)) < len(own) for own in (first, second)):
        return refuse(call, ledger, "is no product of matrices")
    sizes = dict(zip((*first, *second), (*left.shape, *right.shape), strict=True))
    sizes |= {axis: left.shape[first.index(axis)] for axis in both if sizes[axis] == 1}
    factors = [
        _laid_out(left, first, [batch, rows, inner], sizes),
        _laid_out(right, second, [batch, inner, columns], sizes),
    ]
    shape = [sizes[axis] for axis in batch]
    meta = torch.empty([*shape, _size(rows, sizes), _size(columns, sizes)], device="meta")
    planes = product(replace(call, meta=meta), ledger, *factors)
    order = [*batch, *rows, *columns]
    return tuple(
        compact(plane).reshape([sizes[axis] for axis in order]).permute([order.index(axis) for axis in out])
        for plane in planes
    )


def _letters(equation: str, *ranks: int) -> list[list[str]]:
    """The axes of each operand and of the result, by letter; those of an ellipsis by number from the end."""
    terms = equation.replace(" ", "")
    given, _, result = terms.partition("->")
    if not result and "->" not in terms:
        raise ValueError("it names no result")
    operands = given.split(",")
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(operands, ranks, strict=True)]
    widths = [*widths, max(widths)]
    return [_spelled(term, width) for term, width in zip([*operands, result], widths, strict=True)]


def _spelled(term: str, width: int) -> list[str]:
    before, dots, behind = term.partition("...")
    return [*before, *([str(index) for index in range(width, 0, -1)] if dots else []), *behind]


def _laid_out(value: Labelled, axes: list[str], parts: list[list[str]], sizes: dict[str, int]) -> Labelled:
    """The value with its batch axes first, and each other part as one axis."""
    batch, *others = parts
    order = [axes.index(axis) for part in parts for axis in part]
    shape = [value.shape[axes.index(axis)] for axis in batch] + [_size(part, sizes) for part in others]

    def laid(tensor: Tensor) -> Tensor:
        return tensor.permute(order).reshape(shape)

    return Labelled(laid(value.meta), tuple(compact(laid(plane)) for plane in value.planes))


def _size(axes: list[str], sizes: dict[str, int]) -> int:
    return int(torch.Size([sizes[axis] for axis in axes]).numel())
