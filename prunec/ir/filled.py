"""Tensors of equal elements, no larger than what reads them needs: a mask for all heads instead of one for each."""

from __future__ import annotations

import torch
from torch import Tensor, fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from prunec.ir.nodes import arguments

aten = torch.ops.aten

_FILLED = (aten.zeros.default, aten.ones.default, aten.full.default)
_ELEMENTWISE = frozenset(
    (
        aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.masked_fill.Scalar, aten.add.Tensor,
        aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.bitwise_and.Tensor, aten.bitwise_or.Tensor,
    )
)  # fmt: skip
_MASK = 3
"""The place of an attention's mask among its arguments."""


def spread_later(graph: fx.Graph) -> None:
    """Give axes of tensors of equal elements the size 1, where all that reads them repeats them along these itself.

    A mask that is made for each head, and is the same for all, otherwise ties the heads of all layers that read it.
    Works in place. Shapes are read from `node.meta["val"]`: what they cannot prove stays.
    """
    for node in graph.nodes:
        if node.op != "call_function" or node.target not in _FILLED:
            continue
        for axis, size in enumerate(node.args[0]):
            if not isinstance(size, int) or size < 2:
                continue
            changed = _changed(node, len(node.args[0]) - axis, size)
            if changed is not None:
                sizes = [*node.args[0][:axis], 1, *node.args[0][axis + 1 :]]
                node.args = (sizes, *node.args[1:])
                for item in changed:
                    value = item.meta["val"]
                    item.meta["val"] = value.narrow(axis - len(sizes), 0, 1)


def _changed(node: fx.Node, place: int, size: int) -> list[fx.Node] | None:
    """The values, from `node` on, that lose the axis `place` from the right; None where something needs it."""
    if not isinstance(node.meta.get("val"), Tensor):
        return None
    changed = [node]
    for user in node.users:
        if user.target is aten.scaled_dot_product_attention.default:
            if place <= 2 or [item for item in arguments(user) if item is node] != [arguments(user)[_MASK]]:
                return None
        elif user.target in _ELEMENTWISE:
            sizes = [_size(item, place) for item in user.all_input_nodes if item is not node]
            if any(statically_known_true(other == size) for other in sizes):
                continue
            if not all(isinstance(other, int) and other == 1 for other in sizes):
                return None
            further = _changed(user, place, size)
            if further is None:
                return None
            changed += further
        else:
            return None
    return changed


def _size(node: fx.Node, place: int) -> int | torch.SymInt:
    """How long a value is along the axis `place` from the right; 1 where it has none, 0 where it is no tensor."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return 0
    return value.shape[-place] if value.dim() >= place else 1
