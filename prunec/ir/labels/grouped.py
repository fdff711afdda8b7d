"""Products by group of rows, each group with a matrix of its own out of a stack: experts of a mixture."""

from __future__ import annotations

from prunec.ir.labels.contraction import contract
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes

EXPERT, INNER, OUTER = 0, 1, 2


@rule("transformers::grouped_mm_fallback", "aten::_grouped_mm")
def grouped(call: Call, ledger: Ledger) -> Planes:
    """`x[rows of e] @ weight[e]`, weight `[experts, in, out]`: experts are chosen by an input, so they stay."""
    source, table, ends = call.args[:3]
    if source.meta.dim() != 2 or table.meta.dim() != 3:
        raise ValueError("its operands are not rows and a stack of matrices")
    for plane in table.planes:
        if EXPERT in varying_axes(plane):
            ledger.pin(plane, "experts are chosen by an input")
    for plane in ends.planes if isinstance(ends, Labelled) else ():
        ledger.pin(plane, f"{call.node.name} takes places from it")
    if call.named("bias") is not None:
        raise ValueError("it adds a bias")
    return contract(call, ledger, activation=0, weight=1, inner=INNER, outer=OUTER, bias=None)
