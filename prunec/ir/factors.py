"""Factors by which means keep their denominators when units of what they run over go."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from prunec.ir.nodes import arguments, operator
from prunec.ir.survivors import Survivors

aten = torch.ops.aten


def factor(node: fx.Node, survivors: Survivors) -> float:
    """What the result of a call among the survivors is multiplied by, so that what has gone counts as zeros.

    Raises:
        ValueError: what is left of its argument is not a block.
    """
    rule = FACTORS.get(operator(node))
    return rule(node, survivors) if rule is not None and survivors.touches(node.all_input_nodes[0]) else 1.0


def share_left(source: fx.Node, axes: list[int], survivors: Survivors) -> float:
    """Which share of the elements of each mean over `axes` of `source` is left."""
    share = 1.0
    for axis in axes:
        alive = survivors.alive(source, axis)
        share *= int(alive.sum()) / len(alive)
    return share


def _of_mean(node: fx.Node, survivors: Survivors) -> float:
    """A mean over what is left becomes the sum over it by the old denominator."""
    source, *rest = arguments(node)
    axes = rest[0] if rest else None
    if isinstance(axes, int):
        axes = [axes]
    return share_left(source, axes or list(range(survivors.rank(source))), survivors)


def _of_norm(node: fx.Node, survivors: Survivors) -> float:
    """A root of the mean of squares, likewise; see `literals.root_mean_square` for what is added under the root."""
    source, sizes, *_ = arguments(node)
    return float(share_left(source, list(range(-len(sizes), 0)), survivors) ** -0.5)


FACTORS: dict[object, Callable[[fx.Node, Survivors], float]] = {aten.mean: _of_mean, aten.rms_norm: _of_norm}
