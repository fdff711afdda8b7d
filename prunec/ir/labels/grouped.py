"""Products by group of rows, each group with a matrix of its own out of a stack: experts of a mixture."""

from __future__ import annotations

import torch
from torch import fx

from prunec.ir.labels.contraction import contract
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import labels_along_axis
from prunec.ir.nodes import operator, read

aten = torch.ops.aten

EXPERT, INNER, OUTER = 0, 1, 2


@rule("transformers::grouped_mm_fallback", "aten::_grouped_mm")
def grouped(call: Call, ledger: Ledger) -> Planes:
    """`x[rows of e] @ weight[e]`, weight `[experts, in, out]`, where the rows of e end at `ends[e]`.

    Ends that are counts added up go with their experts: a count that goes is masked to zero (see `Sum`), so its expert
    has no rows, and the sums that are left are those without it. Other ends tell experts apart, so these stay.
    """
    source, table, ends = call.args[:3]
    if source.meta.dim() != 2 or table.meta.dim() != 3:
        raise ValueError("its operands are not rows and a stack of matrices")
    if call.named("bias") is not None:
        raise ValueError("it adds a bias")
    experts, counted = labels_along_axis(table, EXPERT), labels_along_axis(ends, 0)
    if experts is not None and counted is not None and _is_added_up(read(call.node, 2)):
        ledger.tie(experts, counted)
    else:
        for labels in (experts, counted):
            if labels is not None:
                ledger.pin(labels, "experts are chosen by an input")
    return contract(call, ledger, activation=0, weight=1, inner=INNER, outer=OUTER, bias=None)


def _is_added_up(node: fx.Node) -> bool:
    """Whether it is a cumulative sum, whatever its type."""
    while operator(node) in (aten._to_copy, aten.to):
        node = read(node, 0)
    return operator(node) is aten.cumsum
