"""Which operators hold integers, and what re-derives them; rules register themselves here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from prunec.ir.nodes import keywords, operator
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
ALWAYS: set[Rederive] = set()
"""Rules for calls of which nothing need go."""


def literals(*operators: object, always: bool = False) -> Callable[[Rederive], Rederive]:
    """Register a rule for operators."""

    def register(function: Rederive) -> Rederive:
        LITERALS.update(dict.fromkeys(operators, function))
        ALWAYS.update([function] * always)
        return function

    return register


def rederive(node: fx.Node, survivors: Survivors) -> Arguments | None:
    """The arguments that `node` takes among the survivors; None where they stay as they are.

    Raises:
        ValueError: no arguments would do, such as for equal chunks of what is no longer equal.
    """
    rule = LITERALS.get(operator(node))
    if rule is None or not (rule in ALWAYS or survivors.touches_call(node)):
        return None
    named = NAMED.get(operator(node))
    return rule(node, survivors), keywords(node) | (named(node, survivors) if named else {})


def overload(node: fx.Node, found: Arguments) -> Callable[..., Any] | str:
    """What a call calls with re-derived arguments: parts that were equal can have sizes of their own."""
    parted = operator(node) in (aten.split, aten.chunk) and isinstance(found[0][1], (list, tuple))
    return aten.split_with_sizes.default if parted else node.target


def size_left(node: fx.Node, survivors: Survivors, axis: int, size: Any) -> Any:
    """A size of a node's value as it survives along `axis`; one that is inferred as it is."""
    if is_count(size):
        return survivors.count(node, axis)
    if isinstance(size, fx.Node):
        kept, whole = survivors.count(node, axis), survivors.computed(size)
        return size if kept == whole else Scaled(size, kept, whole)
    return size


def is_count(value: object) -> bool:
    """Whether a size is told as a number, and not inferred."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
