"""Products of two activations, which attention is made of where it is not one operator."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values, labels_along, labels_of_parts
from prunec.ir.labels.ledger import AttentionHeads, Ledger
from prunec.ir.labels.rules import Call, Planes, refuse
from prunec.ir.labels.value import Labelled, core, varying_axes


def product(
    call: Call, ledger: Ledger, left: Labelled, right: Labelled, *, is_site: bool = False, argument: int = 0
) -> Planes:
    """`left @ right`: labels of the axes that stay live on, labels of the contracted axis are tied.

    Where the contracted labels also vary along batch axes (a row of them a head), the result has a
    label a head, which stands for all of that head's. Such products are noted as parts of an attention.
    `argument` says which of the call's arguments `left` is.
    """
    rank = call.meta.dim()
    if min(left.meta.dim(), right.meta.dim()) < 2:
        return refuse(call, ledger, "multiplies by a vector")
    first, second = _Factor(left, rank, inner=rank - 1), _Factor(right, rank, inner=rank - 2)
    by_row = [factor for factor in (first, second) if factor.by_row is not None]
    if first.mixed or second.mixed or len(by_row) > 1:
        return refuse(call, ledger, "contracts an axis that is laid out together with another")
    for summed in (*first.summed, *second.summed):
        ledger.multiply(summed, call.node, argument)
    heads: Planes = ()
    if by_row:
        heads = _contract_rows(call, ledger, by_row[0], second if by_row[0] is first else first)
    elif first.contracted is None or second.contracted is None:
        for plane in (first.contracted, second.contracted):
            if plane is not None:
                ledger.pin(plane, f"{call.node.name} multiplies it by a value that cannot be cut")
    else:
        heads = _contract(call, ledger, first.contracted, second)
        if not heads and not is_site:
            ledger.pin(first.contracted, f"{call.node.name} multiplies it by a computed value")
    operands = [
        Labelled(factor.still, (*factor.kept, *(() if by_row and factor not in by_row else heads)))
        for factor in (first, second)
    ]
    result = combine_values(operands, call.meta.shape, ledger)
    if not heads:
        _note_heads(call, ledger, first.kept, second.kept)
    return result


class _Factor:
    """One factor in the axes of the result, its contracted axis being `inner`.

    Attributes:
        inner: where the contracted axis is.
        contracted: the plane that varies along `inner`, as `[*batch, inner]`.
        by_row: the plane whose labels along `inner` are others in each row of the product (or column, for the
            second factor), as `[*batch, rows, inner]`.
        summed: the plane along `inner`, whichever of the two it is.
        kept: the other planes, with size 1 along `inner`.
        still: a meta tensor of the shape of the kept planes.
        mixed: whether there are several planes along `inner`.
    """

    def __init__(self, value: Labelled, rank: int, inner: int) -> None:
        shape = [1] * (rank - value.meta.dim()) + list(value.shape)
        outer = 2 * rank - 3 - inner
        planes = [plane.expand(shape) for plane in value.planes]
        wide = [plane for plane in planes if inner in varying_axes(plane)]
        self.mixed = len(wide) > 1
        self.inner = inner
        self.by_row: Tensor | None = None
        self.contracted: Tensor | None = None
        if len(wide) == 1 and outer in varying_axes(wide[0]):
            self.by_row = wide[0].movedim(inner, -1)
        elif len(wide) == 1:
            self.contracted = wide[0].select(outer, 0)
        self.summed = [plane for plane in (self.by_row, self.contracted) if plane is not None]
        self.kept = [plane.narrow(inner, 0, 1) for plane in planes if inner not in varying_axes(plane)]
        shape[inner] = 1
        self.still = torch.empty(shape, device="meta")


def _contract_rows(call: Call, ledger: Ledger, factor: _Factor, other: _Factor) -> Planes:
    """A factor with labels of its own in each row: a row lives on, and the other factor goes with the last of them."""
    rows = factor.by_row
    assert rows is not None
    batch = len(call.meta.shape) - 2
    wide = rows.expand(*call.meta.shape[:batch], *rows.shape[batch:])
    rest = varying_axes(rows) - {batch + 1}
    if other.contracted is None:
        narrow = labels_along(wide.shape, [batch + 1], ledger)
        ledger.pin(narrow, f"{call.node.name} multiplies it by a value that cannot be cut")
        ledger.repeat(wide, narrow)
    else:
        narrow = other.contracted.unsqueeze(batch)
        if varying_axes(narrow) - varying_axes(rows):
            raise ValueError("both of its factors differ by row")
        ledger.repeat(wide, narrow)
    made = labels_of_parts(wide, sorted(rest), ledger).narrow(-1, 0, 1)
    ledger.repeat(wide, made)
    return (made if factor.inner == batch + 1 else made.movedim(-2, -1),)


def _contract(call: Call, ledger: Ledger, first: Tensor, other: _Factor) -> Planes:
    """Tie the contracted labels `[*batch, inner]` of both factors; the labels of heads, if there are any.

    The other factor can hold values of its own for each head, as the sum of keys by values that a query reads.
    """
    assert other.contracted is not None
    batch = call.meta.shape[:-2]
    wide, narrow = (plane.expand(*batch, plane.shape[-1]) for plane in (first, other.contracted))
    if varying_axes(wide) < varying_axes(narrow):
        wide, narrow = narrow, wide
    if varying_axes(wide) == varying_axes(narrow):
        ledger.tie(wide, narrow)
    else:  # a key that all heads share
        ledger.repeat(wide, narrow)
    axes = sorted(varying_axes(wide) - {len(batch)})
    if not axes:
        return ()
    heads = labels_of_parts(wide, axes, ledger).narrow(-1, 0, 1)
    ledger.repeat(wide, heads.expand(wide.shape))
    rows = {"scores": heads, "first": wide}
    if set(axes) <= varying_axes(narrow):
        rows["second"] = narrow
    for plane in other.kept:
        if varying_axes(plane) == {*axes, call.meta.dim() - 1}:
            rows["values"] = plane.select(-2, 0)
    _note(call, ledger, rows, axes)
    return (heads.unsqueeze(-1),)


def _note_heads(call: Call, ledger: Ledger, first: list[Tensor], second: list[Tensor]) -> None:
    """Note weights `[*batch, tokens, tokens]` over values `[*batch, tokens, features]` as part of an attention."""
    rank = call.meta.dim()
    for weights, values in ((weights, values) for weights in first for values in second):
        axes = varying_axes(weights)
        if axes and max(axes) < rank - 2 and varying_axes(values) == axes | {rank - 1}:
            rows = {"scores": weights.select(-2, 0), "values": values.select(-2, 0)}
            _note(call, ledger, rows, sorted(axes))


def _note(call: Call, ledger: Ledger, rows: dict[str, Tensor], axes: list[int]) -> None:
    """Planes `[*batch, size]` that vary along the batch `axes`: a head is one place in those."""
    roles = {}
    for name, plane in rows.items():
        moved = core(plane).movedim(axes, list(range(len(axes))))
        roles[name] = moved.reshape(int(torch.Size(moved.shape[: len(axes)]).numel()), -1).numpy()
    ledger.attentions.append(AttentionHeads(call.node, roles))
