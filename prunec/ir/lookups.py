"""Where the numbers of an input go: the tables that they look up, and what else reads them."""

from __future__ import annotations

import operator as python
from collections.abc import Iterator

import numpy as np
import torch
from torch import fx

from prunec.ir.nodes import operator, read
from prunec.ir.program import Program
from prunec.ir.survivors import Survivors

aten = torch.ops.aten

_MOVES = (
    aten.view, aten.reshape, aten._unsafe_view, aten.expand, aten.broadcast_to, aten.repeat, aten.unsqueeze,
    aten.squeeze, aten.transpose, aten.permute, aten.t, aten.flatten, aten.unflatten, aten.slice, aten.select,
    aten.narrow, aten.split, aten.split_with_sizes, aten.chunk, aten.unbind, aten.clone, aten.contiguous, aten.detach,
    aten.alias, aten.lift_fresh_copy, aten.to, aten._to_copy, aten.flip, aten.roll, python.getitem,
)  # fmt: skip
"""What gives the numbers of its first argument, somewhere else or as another type."""
_SHAPES = (
    aten.sym_size, aten.sym_numel, aten.zeros_like, aten.ones_like, aten.full_like, aten.empty_like, aten.rand_like,
    aten.randn_like, aten.new_zeros, aten.new_ones, aten.new_full, aten.new_empty, aten._assert_tensor_metadata,
)  # fmt: skip
"""What reads the shape and the type of its first argument, and none of its numbers."""
_WHOLE = (torch.int32, torch.int64)


def origin(positions: fx.Node) -> fx.Node | None:
    """The input whose numbers `positions` holds, moved or cast at most; None where they are computed."""
    while _moves(positions):
        positions = read(positions, 0)
    return positions if positions.op == "placeholder" else None


def readers(numbers: fx.Node) -> Iterator[fx.Node]:
    """The calls that read the numbers of an input, look-ups among them, and the output where it returns them."""
    seen: set[fx.Node] = set()
    stack = [numbers]
    while stack:
        source = stack.pop()
        for user in source.users:
            if user in seen or operator(user) in _SHAPES:
                continue
            seen.add(user)
            if _moves(user) and user.args[0] is source:
                stack.append(user)
            else:
                yield user


def computed_from(node: fx.Node) -> fx.Node | None:
    """An input whose numbers, not only their count, `node` is computed from."""
    seen: set[fx.Node] = set()
    stack = [node]
    while stack:
        source = stack.pop()
        if source.op == "placeholder":
            return source
        if source not in seen and operator(source) not in _SHAPES:
            seen.add(source)
            stack.extend(source.all_input_nodes)
    return None


def rows_left(program: Program, survivors: Survivors) -> dict[str, np.ndarray]:
    """Which rows are left of the table that an input looks up, where some go: bool `[rows]` by the input's name."""
    placeholders = program.graph.find_nodes(op="placeholder")
    names = {node.name: item.name for node, item in zip(placeholders, program.inputs, strict=True)}
    left = {}
    for item in survivors.flow.ledger.looked_up:
        source = origin(read(item.node, 1))
        alive = ~survivors.gone[item.labels]
        if source is not None and not alive.all():
            left[names[source.name]] = alive
    return left


def _moves(node: fx.Node) -> bool:
    types = [value for value in (*node.args, *node.kwargs.values()) if isinstance(value, torch.dtype)]
    return (operator(node) in _MOVES or node.target in _MOVES) and all(item in _WHOLE for item in types)
