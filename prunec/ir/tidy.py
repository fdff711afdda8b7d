"""Removing what computes nothing from a freshly traced graph, and giving operators one spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from prunec.ir.einsum import respell
from prunec.ir.filled import spread_later
from prunec.ir.parts import take_parts_first
from prunec.ir.regroup import regroup

aten = torch.ops.aten
Rule = Callable[[fx.Node], "fx.Node | None"]
"""Returns the node to use instead, or None to leave the node alone."""


def tidy(graph: fx.Graph) -> None:
    """Drop assertions, no-op casts, copies, full slices and dead code; respell aliases of operators.

    Works in place. Types and shapes are read from `node.meta["val"]`: what they cannot prove stays.
    Copies stay where the graph writes in place. Sums of products become matrix products, parts of what is reshaped are
    taken before, and branches that are added up before the stream is, are added to it one by one. What is equal for all
    heads is made once.
    """
    for node in list(graph.nodes):
        if is_assertion(node) and not node.users:
            graph.erase_node(node)
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = _SPELLINGS.get(node.target, node.target)
    writes = any(is_mutating(node) for node in graph.nodes)
    for node in list(graph.nodes):
        rule = _RULES.get(node.target) if node.op == "call_function" else None
        replacement = rule(node) if rule and not (writes and node.target in _COPIES) else None
        if replacement is not None:
            node.replace_all_uses_with(replacement)
            graph.erase_node(node)
    if not writes:
        spread_later(graph)
        take_parts_first(graph)
        regroup(graph)
    graph.eliminate_dead_code(_has_effects)
    graph.lint()


def is_assertion(node: fx.Node) -> bool:
    """Whether the node only checks something at run time."""
    name = getattr(node.target, "__name__", "")
    return node.op == "call_function" and name.startswith(("_assert", "sym_constrain", "_check"))


def is_mutating(node: fx.Node) -> bool:
    """Whether the node writes to one of its arguments."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _has_effects(node: fx.Node) -> bool:
    """Whether the node does more than give its value; torch thinks so of every attention, for what it may drop out."""
    is_attention = node.target is aten.scaled_dot_product_attention.default
    return node.is_impure() and not (is_attention and _argument(node, 4, "dropout_p", 0.0) == 0)


def _source(node: fx.Node) -> fx.Node:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return source


def _argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _dtype(node: fx.Node) -> torch.dtype | None:
    value = node.meta.get("val")
    return value.dtype if isinstance(value, torch.Tensor) else None


def _same_shape(node: fx.Node) -> bool:
    """Whether the node certainly has its source's shape, whatever the dynamic sizes."""
    before, after = _source(node).meta.get("val"), node.meta.get("val")
    if not isinstance(before, torch.Tensor) or not isinstance(after, torch.Tensor) or before.dim() != after.dim():
        return False
    return all(statically_known_true(a == b) for a, b in zip(before.shape, after.shape, strict=True))


def _drop(node: fx.Node) -> fx.Node | None:
    return _source(node)


def _drop_if_same_shape(node: fx.Node) -> fx.Node | None:
    return _source(node) if _same_shape(node) else None


def _drop_dropout(node: fx.Node) -> fx.Node | None:
    return None if _argument(node, 2, "train", True) else _source(node)


def _drop_full_slice(node: fx.Node) -> fx.Node | None:
    """Drop a slice from the start to the end, by literal or by equal shapes."""
    start, end = _argument(node, 2, "start", None), _argument(node, 3, "end", None)
    if _argument(node, 4, "step", 1) != 1 or start not in (None, 0):
        return None
    full = end is None or (isinstance(end, int) and end >= 2**63 - 1)
    return _source(node) if full or _same_shape(node) else None


def _cast(node: fx.Node) -> fx.Node | None:
    """Drop a cast to the type that is there already; spell the others `_to_copy`."""
    before, after = _dtype(_source(node)), _dtype(node)
    if before is None or after is None:
        return None
    if before == after:
        return _source(node)
    with node.graph.inserting_before(node):
        cast = node.graph.call_function(aten._to_copy.default, (_source(node),), {"dtype": after})
    cast.meta = dict(node.meta)
    return cast


def _drop_if_neutral(neutral: int) -> Rule:
    """A rule that drops arithmetic with the scalar `neutral` where the type does not change."""

    def rule(node: fx.Node) -> fx.Node | None:
        operand, dtype = node.args[1], _dtype(node)
        if isinstance(operand, fx.Node) or operand != neutral or dtype is None or dtype != _dtype(_source(node)):
            return None
        # -0.0 + 0 is 0.0: adding zero leaves only integers alone.
        return None if neutral == 0 and dtype.is_floating_point else _source(node)

    return rule


_SPELLINGS: dict[Any, Any] = {
    aten.view.default: aten.reshape.default,
    aten._unsafe_view.default: aten.reshape.default,
    aten.__and__.Tensor: aten.bitwise_and.Tensor,
    aten.__and__.Scalar: aten.bitwise_and.Scalar,
    aten.__or__.Tensor: aten.bitwise_or.Tensor,
    aten.__or__.Scalar: aten.bitwise_or.Scalar,
    aten.__xor__.Tensor: aten.bitwise_xor.Tensor,
    aten.__xor__.Scalar: aten.bitwise_xor.Scalar,
    aten.__lshift__.Scalar: aten.bitwise_left_shift.Tensor_Scalar,
    aten.__rshift__.Scalar: aten.bitwise_right_shift.Tensor_Scalar,
}

_CASTS = (
    aten.to.dtype,
    aten.to.device,
    aten.to.dtype_layout,
    aten.to.other,
    aten.to.prim_Device,
    aten.to.prim_dtype,
    aten.to.prim_other,
    aten._to_copy.default,
    aten.type_as.default,
)
_COPIES = frozenset((*_CASTS, aten.clone.default, aten.contiguous.default, aten.lift_fresh_copy.default))

_RULES: dict[Any, Rule] = {
    **dict.fromkeys(_CASTS, _cast),
    aten.contiguous.default: _drop,
    aten.clone.default: _drop,
    aten.detach.default: _drop,
    aten.alias.default: _drop,
    aten.lift_fresh.default: _drop,
    aten.lift_fresh_copy.default: _drop,
    aten.dropout.default: _drop_dropout,
    aten.feature_dropout.default: _drop_dropout,
    aten.alpha_dropout.default: _drop_dropout,
    aten.slice.Tensor: _drop_full_slice,
    aten.einsum.default: respell,
    aten.expand.default: _drop_if_same_shape,
    aten.reshape.default: _drop_if_same_shape,
    aten.add.Tensor: _drop_if_neutral(0),
    aten.sub.Tensor: _drop_if_neutral(0),
    aten.mul.Tensor: _drop_if_neutral(1),
    aten.div.Tensor: _drop_if_neutral(1),
}
