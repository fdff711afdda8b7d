"""From the operators that programs hold to those that torch's ONNX library translates, each with its value."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx

from prunec.ir.program import PAST_AXIS, Program

from .decompose import constant, decompose, read
from .groups import share_heads
from .norms import take_out_factor
from .rotary import fuse_rotary
from .shapes import Shapes, same, symbolic_shapes
from .sizes import leave_out_sizes
from .torchlib import Unsupported, decompositions, has_translation, promotion_rule
from .whole import SINCE, fuse_attention

aten = torch.ops.aten
HALVES = (torch.float16, torch.bfloat16)

FORWARDS = {
    aten.alias.default, aten.contiguous.default, aten.detach.default, aten.dropout.default, aten.lift_fresh.default,
}  # fmt: skip
"""Operators that return their first argument when nothing is trained."""

CASTS = {aten.to.dtype, aten.to.device, aten.to.dtype_layout, aten.to.other, aten.type_as.default}

CHECKS = {
    aten._assert_async.default, aten._assert_async.msg, aten._assert_scalar.default,
    aten._assert_tensor_metadata.default, aten.sym_constrain_range_for_size.default,
}  # fmt: skip
"""Operators that only check."""

LOGIC = {
    aten.__and__.Tensor: (aten.logical_and.default, aten.bitwise_and.Tensor),
    aten.__and__.Scalar: (aten.logical_and.default, aten.bitwise_and.Scalar),
    aten.__or__.Tensor: (aten.logical_or.default, aten.bitwise_or.Tensor),
    aten.__or__.Scalar: (aten.logical_or.default, aten.bitwise_or.Scalar),
    aten.__xor__.Tensor: (aten.logical_xor.default, aten.bitwise_xor.Tensor),
    aten.__xor__.Scalar: (aten.logical_xor.default, aten.bitwise_xor.Scalar),
}
"""Python's operators: what they are on booleans, and on integers."""


def lowered(program: Program, opset: int, rewrites: bool = True) -> tuple[fx.Graph, Shapes]:
    """A copy of the program's graph in translatable form, every node with its value in `meta["val"]`.

    Calls that have no translation at `opset` are taken apart where PyTorch knows how; the others stay whole. Without
    `rewrites` calls that have one stay as they were traced.

    Raises:
        UnknownShapes: shapes cannot be found without tracing.
        Unsupported: a type promotion is needed that is not known here.
    """
    shapes = symbolic_shapes(program)
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(program.graph, copies))
    for node, value in shapes.values.items():
        copies[node].meta = {"val": value}
    past = {symbol for symbol, axis in shapes.axes.items() if axis == PAST_AXIS}
    for node in list(graph.nodes):
        _simplify(node)
    graph.eliminate_dead_code()
    if rewrites:
        _rewrite(graph, past)
    graph.eliminate_dead_code()
    if rewrites and opset >= SINCE:
        for node in graph.find_nodes(op="call_function", target=aten.scaled_dot_product_attention.default):
            fuse_attention(node, shapes.mode)
        graph.eliminate_dead_code()
    for node in list(graph.nodes):
        if not has_translation(node, opset):
            _take_apart(node, opset, shapes)
    graph.eliminate_dead_code()
    for node in list(graph.nodes):
        if isinstance(node.target, torch._ops.OpOverload):
            _promote(node)
    _share_tensors(graph)
    return graph, shapes


def _simplify(node: fx.Node) -> None:
    """Replace a call by a simpler one, or by its argument."""
    if node.target in CHECKS:
        node.graph.erase_node(node)
    elif node.target in FORWARDS and not _trains(node):
        node.replace_all_uses_with(node.all_input_nodes[0])
    elif node.target in CASTS:
        source = node.all_input_nodes[0]
        if source.meta["val"].dtype == node.meta["val"].dtype:
            node.replace_all_uses_with(source)
        else:
            node.target, node.args = aten._to_copy.default, (source,)
            node.kwargs = {"dtype": node.meta["val"].dtype}
    elif node.target is aten.cat.default:
        parts = [part for part in node.all_input_nodes if not _is_nothing(part)]
        if len(parts) == 1 and same(parts[0].meta["val"].shape, node.meta["val"].shape):
            node.replace_all_uses_with(parts[0])
    elif node.target in LOGIC:
        logical, bitwise = LOGIC[node.target]
        node.target = logical if node.meta["val"].dtype == torch.bool else bitwise


def _is_nothing(node: fx.Node) -> bool:
    """Whether a value is `[0]`, which PyTorch joins to a tensor of any rank, as to that of a cache's first step."""
    return tuple(node.meta["val"].shape) == (0,)


def _rewrite(graph: fx.Graph, past: set[Any]) -> None:
    """Put calls in forms that run faster and give the same numbers; `past` are the sizes of what a cache holds."""
    for node in list(graph.nodes):
        if node.target is aten.mul.Tensor:
            take_out_factor(node)
            _divide(node)
        elif node.target is aten.scaled_dot_product_attention.default:
            share_heads(node)
        elif node.target is aten.add.Tensor:
            fuse_rotary(node)
    for node in graph.nodes:
        leave_out_sizes(node, past)


def _take_apart(node: fx.Node, opset: int, shapes: Shapes) -> None:
    """Replace a call that has no translation by its value, where it is always the same, or by simpler calls."""
    value = constant(node)
    if value is not None:
        read(node, value)
        return
    with suppress(Exception):  # whatever a decomposition makes of sizes that are symbols: then the call stays whole
        decompose(node, decompositions(opset), shapes.mode)


def _divide(node: fx.Node) -> None:
    """Put `x * rsqrt(y)` as `x / sqrt(y)`: ONNX Runtime knows a root-mean-square norm by its division."""
    one, two = node.args
    if not isinstance(one, fx.Node) or not isinstance(two, fx.Node) or one is two:
        return
    for root, other in ((one, two), (two, one)):
        if root.target is aten.rsqrt.default and len(root.users) == 1:
            root.target = aten.sqrt.default
            node.target, node.args = aten.div.Tensor, (other, root)
            return


def _trains(node: fx.Node) -> bool:
    return node.target is aten.dropout.default and bool(node.args[2])


def _promote(node: fx.Node) -> None:
    """Cast the arguments that PyTorch would cast by itself: ONNX operators do not."""
    rule = promotion_rule(node.target)  # type: ignore[arg-type]
    if rule is None:
        return
    values = fx.node.map_arg((node.args, node.kwargs), lambda argument: argument.meta["val"])
    wanted = rule.preview_type_promotion(*values)
    cast = _caster(node, wanted.out_dtype)
    node.args = tuple(cast(argument, wanted.args_dtypes.get(index)) for index, argument in enumerate(node.args))
    node.kwargs = {key: cast(argument, wanted.kwargs_dtypes.get(key)) for key, argument in node.kwargs.items()}


def _caster(node: fx.Node, result: torch.dtype) -> Callable[[Any, torch.dtype | None], Any]:
    def cast(argument: Any, dtype: torch.dtype | None) -> Any:
        if dtype is None:
            return argument
        if isinstance(argument, (list, tuple)):
            return [cast(item, dtype) for item in argument]
        if not isinstance(argument, fx.Node):
            return float(argument) if dtype.is_floating_point else argument
        value = argument.meta["val"]
        if not isinstance(value, Tensor):
            if dtype == torch.int64:
                return argument
            raise Unsupported(f"the size {argument} takes part in {node.target}")
        half = value.dtype in HALVES and value.dtype == result  # torch computes these in float32, no runtime need
        return argument if value.dtype == dtype or half else _cast_node(node, argument, dtype)

    return cast


def _cast_node(before: fx.Node, argument: fx.Node, dtype: torch.dtype) -> fx.Node:
    with before.graph.inserting_before(before):
        node = before.graph.call_function(aten._to_copy.default, (argument,), {"dtype": dtype})
    node.meta = {"val": argument.meta["val"].to(dtype)}
    return node


def _share_tensors(graph: fx.Graph) -> None:
    """Tied tensors become one: the first of their names."""
    first: dict[object, fx.Node] = {}
    for node in graph.find_nodes(op="get_attr"):
        tensor = node.meta["val"]
        identity = tensor.data_ptr() or id(tensor), tensor.shape, tensor.stride(), tensor.dtype
        known = first.setdefault(identity, node)
        if known is not node:
            node.replace_all_uses_with(known)
            graph.erase_node(node)
