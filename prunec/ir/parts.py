"""Parts of a reshaped axis, such as the queries, keys and values of one projection, taken before it is reshaped."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

from prunec.ir.nodes import arguments, read

aten = torch.ops.aten


def take_parts_first(graph: fx.Graph) -> None:
    """Spell parts of a reshaped axis as slices of it, each reshaped by itself, so that each can have a size of its own.

    `x.reshape(n, 3, heads, size).permute(1, 2, 0, 3).unbind()` becomes three slices of `x` along its last axis.
    Works in place and leaves dead code. Shapes are read from `node.meta["val"]`: what they cannot prove stays.
    """
    for node in list(graph.nodes):
        chosen = _chosen(node)
        if chosen is None or not _reads_parts_only(*chosen[:2]):
            continue
        with graph.inserting_before(node):
            part = _part(graph, *chosen)
        if part is not None:
            node.replace_all_uses_with(part)


def _chosen(node: fx.Node) -> tuple[fx.Node, int, int] | None:
    """The value, the axis and the index of which a node is the part."""
    if node.target is aten.select.int:
        source, axis, index = arguments(node)
    elif node.target is operator.getitem and read(node, 0).target is aten.unbind.int:
        (source, axis), index = arguments(read(node, 0)), node.args[1]
    else:
        return None
    shape = _shape(source)
    if not shape or not isinstance(index, int) or not isinstance(shape[axis], int) or shape[axis] < 2:
        return None
    return source, axis % len(shape), index % shape[axis]


def _reads_parts_only(source: fx.Node, axis: int) -> bool:
    """Whether all that reads a value takes parts along an axis: otherwise it is needed as it is."""
    rank = len(_shape(source))
    return all(
        user.target in (aten.select.int, aten.unbind.int) and arguments(user)[1] % rank == axis for user in source.users
    )


def _part(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    """`source.select(axis, index)`, from a slice of what the axis is made of; None where it is made of nothing else."""
    rule = _RULES.get(source.target)
    return rule(graph, source, axis, index) if rule is not None else None


def _above(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    """The part of what a call moves, where nothing else reads that."""
    value = source.args[0]
    return _part(graph, value, axis, index) if isinstance(value, fx.Node) and len(value.users) == 1 else None


def _permuted(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    rank = len(_shape(source))
    order = list(range(rank))
    if source.target is aten.permute.default:
        order = [at % rank for at in arguments(source)[1]]
    else:
        first, second = (at % rank for at in arguments(source)[1:3])
        order[first], order[second] = order[second], order[first]
    part = _above(graph, source, order[axis], index)
    left = [at - (at > order[axis]) for at in order if at != order[axis]]
    return _call(graph, source, aten.permute.default, part, left)


def _unsqueezed(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    new = arguments(source)[1] % len(_shape(source))
    if axis == new:
        return None
    part = _above(graph, source, axis - (axis > new), index)
    return _call(graph, source, aten.unsqueeze.default, part, new - (new > axis))


def _squeezed(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    rank = len(_shape(source.args[0]))
    if rank == len(_shape(source)):  # it had another size than 1
        return None
    gone = arguments(source)[1] % rank
    part = _above(graph, source, axis + (axis >= gone), index)
    return _call(graph, source, aten.squeeze.dim, part, gone - (gone > axis + (axis >= gone)))


def _reshaped(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    value, sizes = arguments(source)
    before, after = _shape(value), _shape(source)
    left = [size for other, size in enumerate(sizes) if other != axis]
    for at in (at for at in range(len(before)) if _equal(before[:at], after[:axis])):
        if _equal(before[at : at + 1], after[axis : axis + 1]):
            return _call(graph, source, source.target, _above(graph, source, at, index), left)
        if any(_equal(before[at : at + 1], after[axis:end]) for end in range(axis + 2, len(after) + 1)):
            return _call(graph, source, source.target, _slice(graph, source, at, after[axis], index), left)
    return None


def _unflattened(graph: fx.Graph, source: fx.Node, axis: int, index: int) -> fx.Node | None:
    value, at, sizes = arguments(source)
    at %= len(_shape(value))
    inner = axis - at
    if inner < 0 or inner >= len(sizes):
        part = _above(graph, source, axis if inner < 0 else axis - len(sizes) + 1, index)
        return _call(graph, source, source.target, part, at - (inner < 0), sizes)
    if inner > 0:
        return None
    part = _slice(graph, source, at, _shape(source)[axis], index)
    return part if len(sizes) == 2 else _call(graph, source, source.target, part, at, sizes[1:])


def _slice(graph: fx.Graph, source: fx.Node, axis: int, parts: Any, index: int) -> fx.Node | None:
    """Slice `index` of so many equal `parts` of the value that `source` reshapes, where sizes are literal."""
    value = source.args[0]
    assert isinstance(value, fx.Node)
    whole = _shape(value)[axis]
    if not isinstance(whole, int) or not isinstance(parts, int):
        return None
    size = whole // parts
    return _call(graph, source, aten.slice.Tensor, value, axis, index * size, (index + 1) * size)


def _call(graph: fx.Graph, model: fx.Node, target: Any, part: fx.Node | None, *rest: Any) -> fx.Node | None:
    """A call on a part, from the same place in the model's code as another."""
    if part is None:
        return None
    made = graph.call_function(target, (part, *rest))
    made.meta = {key: value for key, value in model.meta.items() if key != "val"}
    return made


def _shape(node: Any) -> list[Any]:
    """The sizes of a value, numbers or symbols; empty where they are not known."""
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return list(value.shape) if isinstance(value, torch.Tensor) else []


def _equal(sizes: list[Any], others: list[Any]) -> bool:
    """Whether two products of sizes are certainly one number."""
    return bool(statically_known_true(prod(sizes) == prod(others)))


_RULES: dict[Any, Any] = {
    aten.permute.default: _permuted,
    aten.transpose.int: _permuted,
    aten.unsqueeze.default: _unsqueezed,
    aten.squeeze.dim: _squeezed,
    aten.reshape.default: _reshaped,
    aten.unflatten.int: _unflattened,
}
