"""Sizes that need not be computed when a graph runs: those that an input of the call has already."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, fx

from .shapes import same

aten = torch.ops.aten
RESHAPES = {aten.reshape.default, aten.view.default}
COPIED = 0
"""In the shape that ONNX reshapes to: the size that the input has at this place."""
REST = -1
KEPT = -1
"""In the shape that `expand` is told: the size that the input has."""


def leave_out_sizes(node: fx.Node, past: Collection[str]) -> None:
    """Put a number in the place of each size that `node` takes over from its input.

    A reshape keeps leading sizes as they are, and what one size then is follows from all others; an expansion leaves
    all but the repeated one. Every size that is computed instead costs three small operations a request.

    Args:
        node: any node of a graph.
        past: the symbols of sizes that may be zero: then no size follows from the others.
    """
    source = node.args[0] if node.args else None
    if not isinstance(source, fx.Node) or not isinstance(source.meta["val"], Tensor):
        return
    if node.target in RESHAPES:
        _reshape(node, source, past)
    elif node.target is aten.expand.default:
        before, sizes = source.meta["val"].shape, list(_sizes(node))
        for place, size in enumerate(reversed(sizes[len(sizes) - len(before) :]), 1):
            if isinstance(size, fx.Node) and same([size.meta["val"]], [before[-place]]):
                sizes[-place] = KEPT
        node.args = (source, sizes)


def _reshape(node: fx.Node, source: fx.Node, past: Collection[str]) -> None:
    before, sizes = source.meta["val"].shape, list(_sizes(node))
    if 0 in sizes:
        return
    for place, size in enumerate(sizes[: len(before)]):
        if isinstance(size, fx.Node) and same([size.meta["val"]], [before[place]]):
            sizes[place] = COPIED
    left = [place for place, size in enumerate(sizes) if isinstance(size, fx.Node)]
    if len(left) == 1 and REST not in sizes and not any(str(size) in past for size in before):
        sizes[left[0]] = REST
    if COPIED in sizes or REST in sizes:
        node.target = aten.reshape.default  # of the two translations the one whose 0 is a copy
        node.args = (source, sizes)


def _sizes(node: fx.Node) -> Any:
    return node.args[1] if len(node.args) > 1 else ()
