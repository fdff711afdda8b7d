"""Places and parts: bounds of slices, indices, and the sizes of what a value is split into."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx

from prunec.ir.literals.registry import literals
from prunec.ir.nodes import arguments
from prunec.ir.survivors import Survivors

aten = torch.ops.aten


@literals(aten.slice)
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


@literals(aten.slice_scatter)
def overwritten(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Bounds count the survivors before them, as for a slice."""
    source, part, dim, start, end, step = arguments(node)
    alive = survivors.alive(node, dim)
    if alive.all():
        return [source, part, dim, start, end, step]
    if isinstance(start, fx.Node) or isinstance(end, fx.Node):
        raise ValueError("a slice with computed bounds runs over it")
    return [source, part, dim, _moved(start, alive), _moved(end, alive), step]


@literals(aten.select_scatter)
def overwritten_index(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The index counts the survivors before it."""
    source, part, dim, index = arguments(node)
    alive = survivors.alive(node, dim)
    if not alive[index]:
        raise ValueError(f"index {index} is written and gone")
    return [source, part, dim, index if alive.all() else int(alive[: index % len(alive)].sum())]


@literals(aten.narrow)
def narrow(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Start counts the survivors before it, length those inside."""
    source, dim, start, length = arguments(node)
    alive = survivors.alive(source, dim)
    if alive.all():
        return [source, dim, start, length]
    start %= len(alive)
    return [source, dim, int(alive[:start].sum()), int(alive[start : start + length].sum())]


@literals(aten.select)
def select(node: fx.Node, survivors: Survivors) -> list[Any]:
    """The index counts the survivors before it."""
    source, dim, index = arguments(node)
    alive = survivors.alive(source, dim)
    if alive.all():
        return [source, dim, index]
    if not alive[index]:
        raise ValueError(f"index {index} is selected and gone")
    return [source, dim, int(alive[: index % len(alive)].sum())]


@literals(aten.split, aten.split_with_sizes)
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


@literals(aten.chunk)
def chunk(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Chunks stay as they are if they shrink alike; otherwise each keeps its survivors."""
    source, count, dim = arguments(node)
    if survivors.alive(source, dim).all():
        return [source, count, dim]
    left = _parts(node, survivors, dim)
    return [source, count if len(set(left)) == 1 else left, dim]


def _parts(node: fx.Node, survivors: Survivors, dim: int) -> list[int]:
    return [survivors.count(node, dim, result=index) for index in range(survivors.results(node))]


@literals(aten.unbind)
def unbound(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Parts are counted: none may go."""
    source, dim = arguments(node)
    if not survivors.alive(source, dim).all():
        raise ValueError("parts that are told apart would go")
    return [source, dim]


@literals(aten.roll)
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


@literals(aten.glu)
def halved(node: fx.Node, survivors: Survivors) -> list[Any]:
    """Both halves shrink alike."""
    source, dim = arguments(node)
    first, second = np.split(survivors.alive(source, dim), 2)
    if first.sum() != second.sum():
        raise ValueError(f"equal halves would become {[int(first.sum()), int(second.sum())]}")
    return [source, dim]
