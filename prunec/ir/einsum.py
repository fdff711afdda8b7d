"""Sums of two values' products in Einstein's notation, spelled as the matrix products that they are."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

aten = torch.ops.aten
Sizes = dict[str, Any]
"""What each axis counts, by its letter: a number or the node that computes it."""


def respell(node: fx.Node) -> fx.Node | None:
    """The node to use instead of an einsum of two operands; None where it is no product of matrices.

    Axes of both operands that stay are the batch, those of both that go are contracted; with none
    contracted it is a product by element. Shapes are read from `node.meta["val"]`.
    """
    equation, operands = str(node.args[0]), node.args[1]
    assert isinstance(operands, (list, tuple))
    values: list[Any] = [operand.meta.get("val") for operand in operands if isinstance(operand, fx.Node)]
    if len(values) != 2 or not all(isinstance(value, torch.Tensor) for value in values) or "->" not in equation:
        return None
    terms = _letters(equation, *(value.dim() for value in values))
    if not _is_product(terms, values):
        return None
    with node.graph.inserting_before(node):
        return _product(node, [operand for operand in operands if isinstance(operand, fx.Node)], *terms)


def _is_product(terms: list[list[str]], values: list[Any]) -> bool:
    """Whether no axis is summed or repeated in one operand alone, or stretched from one place."""
    first, second, out = terms
    sizes: dict[str, Any] = dict(zip(first, values[0].shape, strict=True))
    stretched = [
        axis
        for axis, size in zip(second, values[1].shape, strict=True)
        if axis in sizes and statically_known_true(sizes[axis] == 1) != statically_known_true(size == 1)
    ]
    alone = set(first) ^ set(second)
    return not stretched and not alone - set(out) and all(len(set(term)) == len(term) for term in terms)


def _product(node: fx.Node, operands: list[fx.Node], first: list[str], second: list[str], out: list[str]) -> fx.Node:
    both = [axis for axis in first if axis in second]
    inner = [axis for axis in both if axis not in out]
    if not inner:
        factors = [_spread(*given, out) for given in zip(operands, (first, second), strict=True)]
        return _call(node.graph, aten.mul.Tensor, *factors)
    batch = [axis for axis in both if axis in out]
    rows, columns = ([axis for axis in own if axis not in both] for own in (first, second))
    sizes = {**_sizes(operands[0], first), **_sizes(operands[1], second)}
    lead = [[axis] for axis in rows] if not batch else [rows]  # without a batch, matmul takes rows along many axes
    left = _laid_out(operands[0], first, [*([axis] for axis in batch), *lead, inner], sizes)
    right = _laid_out(operands[1], second, [*([axis] for axis in batch), inner, columns], sizes)
    product = _call(node.graph, aten.matmul.default, left, right)
    apart = [*batch, *rows, *columns]
    if len(columns) != 1 or (batch and len(rows) != 1):
        product = _call(node.graph, aten.reshape.default, product, [sizes[axis] for axis in apart])
    return _permuted(product, apart, out)


def _sizes(operand: fx.Node, axes: list[str]) -> Sizes:
    """What the axes of an operand count; dynamic ones are computed in the graph."""
    return {
        axis: size if isinstance(size, int) else _call(operand.graph, aten.sym_size.int, operand, at)
        for at, (axis, size) in enumerate(zip(axes, operand.meta["val"].shape, strict=True))
    }


def _permuted(value: fx.Node, axes: list[str], wanted: list[str]) -> fx.Node:
    if axes == wanted:
        return value
    return _call(value.graph, aten.permute.default, value, [axes.index(axis) for axis in wanted])


def _laid_out(value: fx.Node, axes: list[str], parts: list[list[str]], sizes: Sizes) -> fx.Node:
    """The value with each part as one axis; axes that lie side by side are joined before they are moved."""
    order = [axis for part in parts for axis in part]
    beside = "".join(axes)
    joint = all(len(part) < 2 or "".join(part) in beside for part in parts) and all(parts)
    if joint:
        stored = sorted(parts, key=lambda part: axes.index(part[0]))
        value = _joined(value, stored, sizes)
        return _permuted(value, ["".join(part) for part in stored], ["".join(part) for part in parts])
    return _joined(_permuted(value, axes, order), parts, sizes)


def _joined(value: fx.Node, parts: list[list[str]], sizes: Sizes) -> fx.Node:
    if all(len(part) == 1 for part in parts):
        return value
    shape = [_count(value.graph, part, sizes) for part in parts]
    return _call(value.graph, aten.reshape.default, value, shape)


def _count(graph: fx.Graph, axes: list[str], sizes: Sizes) -> Any:
    count: Any = 1
    for axis in axes:
        size = sizes[axis]
        if isinstance(count, int) and (count == 1 or isinstance(size, int)):
            count = size if count == 1 else count * size
        else:
            count = _call(graph, operator.mul, count, size)
    return count


def _spread(value: fx.Node, axes: list[str], out: list[str]) -> fx.Node:
    """The value with its axes in the result's order, and one place along those it lacks."""
    value = _permuted(value, axes, [axis for axis in out if axis in axes])
    for at, axis in enumerate(out):
        if axis not in axes:
            value = _call(value.graph, aten.unsqueeze.default, value, at)
    return value


def _call(graph: fx.Graph, target: Any, *given: Any) -> fx.Node:
    """A call at the place where the graph is being written, with its value."""
    node = graph.call_function(target, given)
    node.meta["val"] = target(*fx.node.map_arg(given, lambda operand: operand.meta["val"]))
    return node


def _letters(equation: str, *ranks: int) -> list[list[str]]:
    """The axes of each operand and of the result, by letter; those of an ellipsis by number from the end."""
    given, _, result = equation.replace(" ", "").partition("->")
    operands = given.split(",")
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(operands, ranks, strict=True)]
    widths = [*widths, max(widths)]
    return [_spelled(term, width) for term, width in zip([*operands, result], widths, strict=True)]


def _spelled(term: str, width: int) -> list[str]:
    before, dots, behind = term.partition("...")
    return [*before, *([str(index) for index in range(width, 0, -1)] if dots else []), *behind]
