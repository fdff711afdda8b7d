"""Other numbers in calls: groups, bins, classes, padding rows, and the scale of an attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from prunec.ir.literals.registry import NAMED, Packed, literals
from prunec.ir.nodes import arguments
from prunec.ir.survivors import Survivors

aten = torch.ops.aten


@literals(aten.view_as_complex, always=True)
def paired(node: fx.Node, survivors: Survivors) -> list[Any]:
    """No integers; pairs must lie at even places of memory, also where what goes lies before them."""
    return [Packed(value) for value in arguments(node)]


@literals(aten.embedding)
def padding(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The padding row counts the survivors before it; it is only for gradients, so that there need be none."""
    table, positions, row, *rest = arguments(node)
    alive = survivors.alive(table, 0)
    if row >= 0:
        row = int(alive[:row].sum()) if alive[row] else -1
    return [table, positions, row, *rest]


@literals(aten.conv1d, aten.conv2d, aten.conv3d)
def kernels(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Where each channel has a kernel of its own, as many groups as channels."""
    given = arguments(node)
    if given[6] != 1:
        given[6] = survivors.count(given[0], 1)
    return given


@literals(aten.histc)
def bins(node: fx.Node, survivors: Survivors) -> list[Any]:
    """A bin for each place that is left, from 0 to the last."""
    source, *_ = arguments(node)
    left = survivors.count(node, 0)
    return [source, left, 0, left - 1]


@literals(aten.bincount)
def counted(node: fx.Node, survivors: Survivors) -> list[Any]:
    """As many counts as places are left."""
    source, weights, _ = arguments(node)
    return [source, weights, survivors.count(node, 0)]


@literals(aten.one_hot)
def marked(node: fx.Node, survivors: Survivors) -> list[Any]:
    """As many classes as places are left."""
    source, _ = arguments(node)
    return [source, survivors.count(node, -1)]


@literals(aten.cat, aten.concat, aten.concatenate, aten.stack, aten.scaled_dot_product_attention)
def whole(node: fx.Node, survivors: Survivors) -> list[Any]:
    """No integers; what goes and what is left must be blocks all the same.

    Raises:
        ValueError: they are not.
    """
    for axis in range(survivors.rank(node)):
        survivors.alive(node, axis)
    return arguments(node)


def scaled(node: fx.Node, survivors: Survivors) -> dict[str, Any]:
    """The scale of scores stays what the size of queries made it."""
    size = survivors.alive(arguments(node)[0], -1)
    if size.all() or node.kwargs.get("scale") is not None:
        return {}
    return {"scale": 1 / math.sqrt(len(size))}


NAMED[aten.scaled_dot_product_attention] = scaled
