"""Sums of branches: `x + (f(x) + g(x))` becomes `(x + f(x)) + g(x)`, so that either branch can go alone."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import statically_known_true

aten = torch.ops.aten


def regroup(graph: fx.Graph) -> None:
    """Add one after the other to `x` what is added up first, where all of it is computed from `x`.

    Works in place, by the shapes and types in `node.meta["val"]`. Numbers change by rounding only.
    """
    position = {node: index for index, node in enumerate(graph.nodes)}
    for node in reversed(graph.nodes):
        for x, other in permutations(_operands(node), 2):
            sums, parts = _flat(other, x)
            if len(parts) > 1:
                _add_in_turn(
                    x, sorted([*sums, node], key=position.__getitem__), sorted(parts, key=position.__getitem__)
                )
                break


def _add_in_turn(x: fx.Node, sums: list[fx.Node], parts: list[fx.Node]) -> None:
    """Make `sums`, as many as `parts`, add one part each; both are in graph order."""
    for node, part in zip(sums, parts, strict=True):
        node.args = (x, part)
        x = node


def _flat(node: fx.Node, x: fx.Node) -> tuple[list[fx.Node], list[fx.Node]]:
    """The sums that `node` is made of, and what they add up, as far as that is computed from `x`."""
    operands = _operands(node)
    if not operands or len(node.users) > 1 or not all(_reads(operand, x) for operand in operands):
        return [], [node]
    flat = [_flat(operand, x) for operand in operands]
    return [node, *(item for sums, _ in flat for item in sums)], [item for _, parts in flat for item in parts]


def _operands(node: fx.Node) -> list[fx.Node]:
    """The operands of a sum of two tensors of one shape and one type of floats, none of any other node."""
    if node.target is not aten.add.Tensor or len(node.all_input_nodes) != 2 or node.kwargs:
        return []
    one, two = (operand.meta.get("val") for operand in node.all_input_nodes)
    if not isinstance(one, torch.Tensor) or not isinstance(two, torch.Tensor) or not one.is_floating_point():
        return []
    alike = one.dtype == two.dtype and one.dim() == two.dim()
    if not alike or not all(statically_known_true(a == b) for a, b in zip(one.shape, two.shape, strict=True)):
        return []
    return node.all_input_nodes


def _reads(node: fx.Node, x: fx.Node) -> bool:
    """Whether `node` is computed from `x`."""
    seen: set[fx.Node] = set()
    stack = list(node.all_input_nodes)
    while stack:
        source = stack.pop()
        if source is x:
            return True
        if source not in seen:
            seen.add(source)
            stack.extend(source.all_input_nodes)
    return False
