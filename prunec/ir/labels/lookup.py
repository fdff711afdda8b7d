"""Table look-ups: rows are chosen by an input, so they stay; columns are features."""

from __future__ import annotations

import torch

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, axis_plane

aten = torch.ops.aten


@rule(aten.embedding)
def embedding(call: Call, ledger: Ledger) -> Planes:
    """`weight[indices]`: the rows are pinned, the columns label the result's last axis."""
    table: Labelled = call.args[0]
    rows, columns = table.planes
    ledger.pin(rows, "rows are looked up by an input")
    return (axis_plane(columns[0], call.meta.shape, call.meta.dim() - 1),)
