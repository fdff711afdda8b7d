"""Data movement: whatever an operator does to numbers it does to labels, so it is executed on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled

aten = torch.ops.aten


@rule(
    aten.view, aten.reshape, aten._unsafe_view, aten.unsqueeze, aten.squeeze, aten.transpose, aten.permute, aten.t,
    aten.slice, aten.select, aten.narrow, aten.expand, aten.repeat, aten.flatten, aten.unflatten, aten.flip,
    aten.roll, aten.contiguous, aten.clone, aten.alias, aten.detach, aten.movedim, aten.split, aten.split_with_sizes,
    aten.chunk, aten.unbind, aten.index_select, aten.repeat_interleave, aten.expand_as, aten.view_as, aten.swapaxes,
)  # fmt: skip
def move(call: Call, ledger: Ledger) -> Planes | list[Planes]:
    """Run the operator on every plane of its first argument."""
    source = call.args[0]
    rest = [_meta_to_shape(argument) for argument in call.args[1:]]
    if any(isinstance(argument, Tensor) for argument in rest):
        return _lose(call, ledger, "is moved by indices that are not known")
    moved = [_run(call, plane, rest) for plane in source.planes]
    if isinstance(call.meta, (list, tuple)):
        return [tuple(result[index] for result in moved) for index in range(len(call.meta))]
    return tuple(moved)


def _run(call: Call, plane: Tensor, rest: list[Any]) -> Any:
    target = call.node.target
    if target in (aten.view.default, aten._unsafe_view.default):
        return plane.reshape(rest[0])
    return target(plane, *rest, **call.kwargs)  # type: ignore[operator]


def _meta_to_shape(argument: Any) -> Any:
    return argument.meta if isinstance(argument, Labelled) else argument


@rule(aten.cat, aten.stack)
def join(call: Call, ledger: Ledger) -> Planes:
    """Join the planes place by place; a part without labels stays, so its labels are pinned."""
    parts = call.args[0]
    count = max(len(part.planes) for part in parts)
    joined = []
    for index in range(count):
        planes = [part.planes[index] if index < len(part.planes) else _still(part, ledger) for part in parts]
        joined.append(call.node.target(planes, *call.args[1:], **call.kwargs))  # type: ignore[operator]
    return tuple(joined)


def _still(part: Labelled, ledger: Ledger) -> Tensor:
    label = ledger.fresh(1)
    ledger.pin(label, "is joined with a value that cannot be cut")
    return label.view([1] * part.meta.dim()).expand(part.shape)


@rule(aten.constant_pad_nd)
def pad(call: Call, ledger: Ledger) -> Planes:
    """Padding adds elements that stay."""
    label = ledger.fresh(1)
    ledger.pin(label, "is padding")
    return tuple(torch.constant_pad_nd(plane, call.args[1], int(label)) for plane in call.args[0].planes)


def _lose(call: Call, ledger: Ledger, why: str) -> Planes:
    for plane in call.args[0].planes:
        ledger.pin(plane, why)
    return ()
