"""Integers written into calls (shapes, bounds, split sizes), re-derived from what survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from prunec.ir.survivors import Survivors

aten = torch.ops.aten
Arguments = tuple[list[Any], dict[str, Any]]
Rederive = Callable[[fx.Node, Survivors], Arguments]

LITERALS: dict[object, Rederive] = {}
"""Operator to what rewrites its integer arguments."""


def _literals(*operators: object) -> Callable[[Rederive], Rederive]:
    def register(function: Rederive) -> Rederive:
        def only_if_touched(node: fx.Node, survivors: Survivors) -> Arguments:
            touched = survivors.touches(node) or any(survivors.touches(source) for source in node.all_input_nodes)
            return function(node, survivors) if touched else (list(node.args), dict(node.kwargs))

        for operator in operators:
            LITERALS[operator] = only_if_touched
        return function

    return register


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@_literals(aten.view, aten.reshape, aten._unsafe_view, aten.expand)
def shape(node: fx.Node, survivors: Survivors) -> Arguments:
    """Every literal size becomes the number of indices that survive along that axis of the result."""
    args = list(node.args)
    args[1] = [survivors.count(node, axis) if _is_count(size) else size for axis, size in enumerate(args[1])]
    return args, dict(node.kwargs)


@_literals(aten.slice)
def bounds(node: fx.Node, survivors: Survivors) -> Arguments:
    """Bounds count the survivors before them; a step over a cut axis is not understood."""
    args = [*node.args, *[None, None, None, 1][len(node.args) - 1 :]][:5]
    source, dim, start, end, step = args
    dim = dim or 0
    alive = survivors.alive(source, dim)
    if alive.all():
        return list(node.args), dict(node.kwargs)
    if step not in (1, None):
        raise ValueError(f"a slice with step {step} runs over it")

    def moved(bound: Any) -> Any:
        if not isinstance(bound, int) or bound >= len(alive):
            return bound
        return int(alive[:bound].sum()) if bound >= 0 else -int(alive[bound:].sum())

    return [source, dim, moved(start), moved(end), 1], {}


@_literals(aten.narrow)
def narrow(node: fx.Node, survivors: Survivors) -> Arguments:
    """Start counts the survivors before it, length those inside."""
    source, dim, start, length = node.args
    alive = survivors.alive(source, dim)
    return [source, dim, int(alive[:start].sum()), int(alive[start : start + length].sum())], {}


@_literals(aten.select)
def select(node: fx.Node, survivors: Survivors) -> Arguments:
    """The index counts the survivors before it."""
    source, dim, index = node.args
    alive = survivors.alive(source, dim)
    return [source, dim, int(alive[: index % len(alive)].sum())], {}


@_literals(aten.split, aten.split_with_sizes)
def split_sizes(node: fx.Node, survivors: Survivors) -> Arguments:
    """Each part keeps its survivors."""
    dim = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    count = len(survivors.flow.values[node])
    sizes = [survivors.count(node, dim, result=index) for index in range(count)]
    if isinstance(node.args[1], (list, tuple)):
        return [node.args[0], sizes, dim], {}
    if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
        raise ValueError(f"equal parts would become {sizes}")
    return [node.args[0], sizes[0], dim], {}


@_literals(aten.chunk)
def chunk(node: fx.Node, survivors: Survivors) -> Arguments:
    """Chunks stay as they are if they shrink alike."""
    dim = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    sizes = [survivors.count(node, dim, result=index) for index in range(len(survivors.flow.values[node]))]
    if len(set(sizes)) > 1:
        raise ValueError(f"equal chunks would become {sizes}")
    return list(node.args), dict(node.kwargs)


@_literals(aten.layer_norm, aten.rms_norm)
def normalized_shape(node: fx.Node, survivors: Survivors) -> Arguments:
    """The normalised shape is what survives of the last axes."""
    args = list(node.args)
    args[1] = [survivors.count(node, axis - len(args[1])) for axis in range(len(args[1]))]
    return args, dict(node.kwargs)
