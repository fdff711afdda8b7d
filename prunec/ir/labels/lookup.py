"""Table look-ups: rows are chosen by an input, so they stay; columns are features."""

from __future__ import annotations

import torch

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, axis_plane, varying_axes

aten = torch.ops.aten


@rule(aten.embedding)
def embedding(call: Call, ledger: Ledger) -> Planes:
    """`weight[indices]`: the rows are pinned, the columns label the result's last axis."""
    table: Labelled = call.args[0]
    rows, columns = table.planes
    ledger.pin(rows, "rows are looked up by an input")
    return (axis_plane(columns[0], call.meta.shape, call.meta.dim() - 1),)


@rule(aten.index)
def index(call: Call, ledger: Ledger) -> Planes:
    """`table[..., positions, ...]` with one tensor of positions: that axis is pinned, the others stay as they are."""
    source, indices = call.args
    given = [(axis, positions) for axis, positions in enumerate(indices) if positions is not None]
    if len(given) != 1 or given[0][1].meta.dtype == torch.bool:
        return refuse(call, ledger, "picks elements by more than one axis")
    axis, positions = given[0]
    result = []
    for plane in source.planes:
        if axis in varying_axes(plane):
            ledger.pin(plane, f"{call.node.name} picks from it by position")
        else:
            one = plane.select(axis, 0)
            for _ in positions.shape:
                one = one.unsqueeze(axis)
            result.append(one.expand(call.meta.shape))
    return tuple(result)


@rule(aten.gather)
def gather(call: Call, ledger: Ledger) -> Planes:
    """Every element is picked by a position of its own, so all of them stay."""
    for plane in call.args[0].planes:
        ledger.pin(plane, f"{call.node.name} picks from it by position")
    return ()
