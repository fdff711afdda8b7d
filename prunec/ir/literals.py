"""Integers written into calls (shapes, bounds, split sizes), re-derived from what survives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from prunec.ir.factors import factor, share_left
from prunec.ir.nodes import arguments, keywords, operator
from prunec.ir.survivors import Survivors

aten = torch.ops.aten
Arguments = tuple[list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Scaled:
    """A computed size, such as heads times samples, that is to be `kept` where it comes to `whole` by itself."""

    size: fx.Node
    kept: int
    whole: int


@dataclass(frozen=True)
class Packed:
    """A value that is to lie in memory without gaps, which the call that takes it asks for."""

    value: fx.Node


Rederive = Callable[[fx.Node, Survivors], list[Any]]

LITERALS: dict[object, Rederive] = {}
"""Operator to what re-derives its integer arguments: a rule gives all positional ones, or raises ValueError."""
NAMED: dict[object, Callable[[fx.Node, Survivors], dict[str, Any]]] = {}
"""Operator to what re-derives its keyword arguments: a rule gives those that change."""


def rederive(node: fx.Node, survivors: Survivors) -> Arguments | None:
    """The arguments that `node` takes among the survivors; None where they stay as they are.

    Raises:
        ValueError: no arguments would do, such as for equal chunks of what is no longer equal.
    """
    rule = LITERALS.get(operator(node))
    if rule is None or not (rule is paired or survivors.touches_call(node)):
        return None
    named = NAMED.get(operator(node))
    return rule(node, survivors), keywords(node) | (named(node, survivors) if named else {})


def overload(node: fx.Node, found: Arguments) -> Callable[..., Any] | str:
    """What a call calls with re-derived arguments: parts that were equal can have sizes of their own."""
    parted = operator(node) in (aten.split, aten.chunk) and isinstance(found[0][1], (list, tuple))
    return aten.split_with_sizes.default if parted else node.target


def _literals(*operators: object) -> Callable[[Rederive], Rederive]:
    def register(function: Rederive) -> Rederive:
        LITERALS.update(dict.fromkeys(operators, function))
        return function

    return register


@_literals(aten.view, aten.reshape, aten._unsafe_view)
def shape(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    source, sizes, *rest = arguments(node)
    return [source, _sizes(node, survivors, sizes), *rest]


@_literals(aten.zeros, aten.ones, aten.full, aten.empty)
def filled(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    sizes, *rest = arguments(node)
    return [_sizes(node, survivors, sizes), *rest]


@_literals(aten.expand, aten.broadcast_to, aten.new_zeros, aten.new_ones, aten.new_full, aten.new_empty)
def sized(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Every size becomes what survives along that axis."""
    source, sizes, *rest = arguments(node)
    return [source, _sizes(node, survivors, sizes), *rest]


def _sizes(node: fx.Node, survivors: Survivors, sizes: list[Any]) -> list[Any]:
    """Sizes of a node's value as they survive; -1 as it is."""
    return [_size(node, survivors, axis, size) for axis, size in enumerate(sizes)]


def _size(node: fx.Node, survivors: Survivors, axis: int, size: Any) -> Any:
    if _is_count(size):
        return survivors.count(node, axis)
    if isinstance(size, fx.Node):
        kept, whole = survivors.count(node, axis), survivors.computed(size)
        return size if kept == whole else Scaled(size, kept, whole)
    return size


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@_literals(aten.slice)
def bounds(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Bounds count the survivors before them; what a step picks must be a step apart all the same."""
    source, dim, start, end, step = arguments(node)
    alive = survivors.alive(source, dim)
    if alive.all():
        return [source, dim, start, end, step]
    if isinstance(start, fx.Node) or isinstance(end, fx.Node):
        raise ValueError("a slice with computed bounds runs over it")
    start = _moved(start, alive) if step == 1 else _first_picked(alive, start, end, step)
    return [source, dim, start, _moved(end, alive), step]


def _first_picked(alive: np.ndarray, start: int | None, end: int | None, step: int) -> int:
    """Where a slice with a step begins among the survivors, of which it must pick those that it picked."""
    picked = np.zeros(len(alive), dtype=bool)
    picked[start:end:step] = True
    kept = np.flatnonzero(picked[alive])
    first = int(kept[0]) if len(kept) else 0
    if not np.array_equal(np.arange(alive.sum())[first : _moved(end, alive) : step], kept):
        raise ValueError(f"a slice with step {step} runs over it")
    return first


def _moved(bound: int | None, alive: np.ndarray) -> int | None:
    """How many survive before a bound; one at or beyond the end stays."""
    if bound is None or bound >= len(alive):
        return bound
    return int(alive[: bound % len(alive) if bound >= -len(alive) else 0].sum())


@_literals(aten.slice_scatter)
def overwritten(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Bounds count the survivors before them, as for a slice."""
    source, part, dim, start, end, step = arguments(node)
    alive = survivors.alive(node, dim)
    if alive.all():
        return [source, part, dim, start, end, step]
    if isinstance(start, fx.Node) or isinstance(end, fx.Node):
        raise ValueError("a slice with computed bounds runs over it")
    return [source, part, dim, _moved(start, alive), _moved(end, alive), step]


@_literals(aten.select_scatter)
def overwritten_index(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The index counts the survivors before it."""
    source, part, dim, index = arguments(node)
    alive = survivors.alive(node, dim)
    if not alive[index]:
        raise ValueError(f"index {index} is written and gone")
    return [source, part, dim, index if alive.all() else int(alive[: index % len(alive)].sum())]


@_literals(aten.narrow)
def narrow(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Start counts the survivors before it, length those inside."""
    source, dim, start, length = arguments(node)
    alive = survivors.alive(source, dim)
    if alive.all():
        return [source, dim, start, length]
    start %= len(alive)
    return [source, dim, int(alive[:start].sum()), int(alive[start : start + length].sum())]


@_literals(aten.select)
def select(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The index counts the survivors before it."""
    source, dim, index = arguments(node)
    alive = survivors.alive(source, dim)
    if alive.all():
        return [source, dim, index]
    if not alive[index]:
        raise ValueError(f"index {index} is selected and gone")
    return [source, dim, int(alive[: index % len(alive)].sum())]


@_literals(aten.split, aten.split_with_sizes)
def split_sizes(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Each part keeps its survivors."""
    source, sizes, dim = arguments(node)
    if survivors.alive(source, dim).all():
        return [source, sizes, dim]
    left = _parts(node, survivors, dim)
    if isinstance(sizes, (list, tuple)):
        return [source, [size if isinstance(size, fx.Node) else n for size, n in zip(sizes, left, strict=True)], dim]
    equal = len(set(left[:-1])) <= 1 and left[-1] <= left[0]
    return [source, left[0] if equal else left, dim]


@_literals(aten.chunk)
def chunk(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Chunks stay as they are if they shrink alike; otherwise each keeps its survivors."""
    source, count, dim = arguments(node)
    if survivors.alive(source, dim).all():
        return [source, count, dim]
    left = _parts(node, survivors, dim)
    return [source, count if len(set(left)) == 1 else left, dim]


def _parts(node: fx.Node, survivors: Survivors, dim: int) -> list[int]:
    return [survivors.count(node, dim, result=index) for index in range(survivors.results(node))]


@_literals(aten.view_as_complex)
def paired(node: fx.Node, survivors: Survivors) -> list[Any]:
    """No integers; pairs must lie at even places of memory, also where what goes lies before them."""
    return [Packed(value) for value in arguments(node)]


@_literals(aten.unbind)
def unbound(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Parts are counted: none may go."""
    source, dim = arguments(node)
    if not survivors.alive(source, dim).all():
        raise ValueError("parts that are told apart would go")
    return [source, dim]


@_literals(aten.unflatten)
def unflattened(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Sizes become what survives along the axes they make."""
    source, dim, sizes = arguments(node)
    rank = survivors.rank(node) - len(sizes) + 1
    new = [_size(node, survivors, dim % rank + at, size) for at, size in enumerate(sizes)]
    return [source, dim, new]


@_literals(aten.layer_norm)
def normalized_shape(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The normalised shape is what survives of the last axes."""
    source, sizes, *rest = arguments(node)
    return [source, [survivors.count(node, axis - len(sizes)) for axis in range(len(sizes))], *rest]


@_literals(aten.rms_norm)
def root_mean_square(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Likewise, and the factor that keeps the denominator is taken out of the root."""
    source, sizes, weight, least = arguments(node)
    axes = list(range(-len(sizes), 0))
    if least is None:
        least = torch.finfo(survivors.dtype(source)).eps
    left = [survivors.count(node, axis) for axis in axes]
    return [source, left, weight, least / share_left(source, axes, survivors)]


@_literals(aten.mean)
def averaged(node: fx.Node, survivors: Survivors) -> list[Any]:
    """No integers; what is left of what it runs over must be a block."""
    factor(node, survivors)
    return arguments(node)


@_literals(aten.repeat, aten.tile)
def repeated(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Copies of one element are as many as survive."""
    source, counts = arguments(node)
    rank = survivors.rank(source)
    single = [axis for axis in range(len(counts)) if survivors.size(source, axis - len(counts) + rank) == 1]
    return [
        source,
        [_size(node, survivors, axis, n) if axis in single else n for axis, n in enumerate(counts)],
    ]


@_literals(aten.repeat_interleave)
def interleaved(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Copies of one element are as many as survive; those of several elements all stay, or go with theirs."""
    source, count, dim, *rest = arguments(node)
    single = dim is not None and survivors.size(source, dim % survivors.rank(source)) == 1
    return [source, survivors.count(node, dim) if single and _is_count(count) else count, dim, *rest]


def interleaved_size(node: fx.Node, survivors: Survivors) -> dict[str, Any]:
    """A size that is told beside the count is as many as survive."""
    size, dim = node.kwargs.get("output_size"), arguments(node)[2]
    return {"output_size": survivors.count(node, dim)} if _is_count(size) and dim is not None else {}


NAMED[aten.repeat_interleave] = interleaved_size


@_literals(aten.roll)
def rolled(node: fx.Node, survivors: Survivors) -> list[Any]:
    """As many are rolled over the end as survive of those that were."""
    source, shifts, dims = arguments(node)
    lines = [survivors.alive(source, dim) for dim in dims]
    if not dims and survivors.touches(source):
        raise ValueError("it is rolled over all of its axes")
    new = [
        n if line.all() else int(line[len(line) - n % len(line) :].sum())
        for n, line in zip(shifts, lines, strict=False)
    ]
    return [source, new if dims else shifts, dims]


@_literals(aten.glu)
def halved(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Both halves shrink alike."""
    source, dim = arguments(node)
    first, second = np.split(survivors.alive(source, dim), 2)
    if first.sum() != second.sum():
        raise ValueError(f"equal halves would become {[int(first.sum()), int(second.sum())]}")
    return [source, dim]


@_literals(aten.embedding)
def padding(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The padding row counts the survivors before it; it is only for gradients, so that there need be none."""
    table, positions, row, *rest = arguments(node)
    alive = survivors.alive(table, 0)
    if row >= 0:
        row = int(alive[:row].sum()) if alive[row] else -1
    return [table, positions, row, *rest]


@_literals(aten.conv1d, aten.conv2d, aten.conv3d)
def kernels(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Where each channel has a kernel of its own, as many groups as channels."""
    given = arguments(node)
    if given[6] != 1:
        given[6] = survivors.count(given[0], 1)
    return given


@_literals(aten.histc)
def bins(node: fx.Node, survivors: Survivors) -> list[Any]:
    """A bin for each place that is left, from 0 to the last."""
    source, *_ = arguments(node)
    left = survivors.count(node, 0)
    return [source, left, 0, left - 1]


@_literals(aten.bincount)
def counted(node: fx.Node, survivors: Survivors) -> list[Any]:
    """As many counts as places are left."""
    source, weights, _ = arguments(node)
    return [source, weights, survivors.count(node, 0)]


@_literals(aten.one_hot)
def marked(node: fx.Node, survivors: Survivors) -> list[Any]:
    """As many classes as places are left."""
    source, _ = arguments(node)
    return [source, survivors.count(node, -1)]


@_literals(aten.cat, aten.concat, aten.concatenate, aten.stack, aten.scaled_dot_product_attention)
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
