"""Sizes: of views, of tensors that are filled or copied, and of what a norm or a mean runs over."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from prunec.ir.factors import factor, share_left
from prunec.ir.literals.registry import NAMED, is_count, literals, size_left
from prunec.ir.nodes import arguments
from prunec.ir.survivors import Survivors

aten = torch.ops.aten


@literals(aten.view, aten.reshape, aten._unsafe_view)
def shape(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    source, sizes, *rest = arguments(node)
    return [source, _sizes(node, survivors, sizes), *rest]


@literals(aten.zeros, aten.ones, aten.full, aten.empty)
def filled(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    sizes, *rest = arguments(node)
    return [_sizes(node, survivors, sizes), *rest]


@literals(aten.expand, aten.broadcast_to, aten.new_zeros, aten.new_ones, aten.new_full, aten.new_empty)
def sized(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    source, sizes, *rest = arguments(node)
    return [source, _sizes(node, survivors, sizes), *rest]


def _sizes(node: fx.Node, survivors: Survivors, sizes: list[Any]) -> list[Any]:
    """Sizes of a node's value as they survive; -1 as it is."""
    return [size_left(node, survivors, axis, size) for axis, size in enumerate(sizes)]


@literals(aten.unflatten)
def unflattened(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Sizes become what survives along the axes they make."""
    source, dim, sizes = arguments(node)
    rank = survivors.rank(node) - len(sizes) + 1
    new = [size_left(node, survivors, dim % rank + at, size) for at, size in enumerate(sizes)]
    return [source, dim, new]


@literals(aten.layer_norm)
def normalized_shape(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The normalised shape is what survives of the last axes."""
    source, sizes, *rest = arguments(node)
    return [source, [survivors.count(node, axis - len(sizes)) for axis in range(len(sizes))], *rest]


@literals(aten.rms_norm)
def root_mean_square(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Likewise, and the factor that keeps the denominator is taken out of the root."""
    source, sizes, weight, least = arguments(node)
    axes = list(range(-len(sizes), 0))
    if least is None:
        least = torch.finfo(survivors.dtype(source)).eps
    left = [survivors.count(node, axis) for axis in axes]
    return [source, left, weight, least / share_left(source, axes, survivors)]


@literals(aten.mean)
def averaged(node: fx.Node, survivors: Survivors) -> list[Any]:
    """No integers; what is left of what it runs over must be a block."""
    factor(node, survivors)
    return arguments(node)


@literals(aten.repeat, aten.tile)
def repeated(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Copies of one element are as many as survive."""
    source, counts = arguments(node)
    rank = survivors.rank(source)
    single = [axis for axis in range(len(counts)) if survivors.size(source, axis - len(counts) + rank) == 1]
    return [
        source,
        [size_left(node, survivors, axis, n) if axis in single else n for axis, n in enumerate(counts)],
    ]


@literals(aten.repeat_interleave)
def interleaved(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Copies of one element are as many as survive; those of several elements all stay, or go with theirs."""
    source, count, dim, *rest = arguments(node)
    single = dim is not None and survivors.size(source, dim % survivors.rank(source)) == 1
    return [source, survivors.count(node, dim) if single and is_count(count) else count, dim, *rest]


def interleaved_size(node: fx.Node, survivors: Survivors) -> dict[str, Any]:
    """A size that is told beside the count is as many as survive."""
    size, dim = node.kwargs.get("output_size"), arguments(node)[2]
    return {"output_size": survivors.count(node, dim)} if is_count(size) and dim is not None else {}


NAMED[aten.repeat_interleave] = interleaved_size
