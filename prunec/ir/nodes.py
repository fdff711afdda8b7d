"""Nodes as this package uses them: torch types their fields for every graph there could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import fx


def arguments(node: fx.Node) -> list[Any]:
    """The positional arguments of a call, defaults and those given by keyword included."""
    given: list[Any] = list(node.args)
    if isinstance(node.target, torch._ops.OpOverload):
        rest = [item for item in node.target._schema.arguments if not item.kwarg_only][len(given) :]
        given += [node.kwargs.get(item.name, item.default_value) for item in rest]
    return given


def keywords(node: fx.Node) -> dict[str, Any]:
    """The arguments of a call that `arguments` leaves out."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return dict(node.kwargs)
    named = {item.name for item in node.target._schema.arguments if item.kwarg_only}
    return {name: value for name, value in node.kwargs.items() if name in named}


def function(node: fx.Node) -> Callable[..., Any]:
    """What a call calls."""
    assert callable(node.target), f"{node.name} calls nothing"
    return node.target


def operator(node: fx.Node) -> object:
    """The ATen operator of a call, whichever overload; None for plain Python arithmetic."""
    return cast(object, getattr(node.target, "overloadpacket", None))


def read(node: fx.Node, index: int) -> fx.Node:
    """Argument `index` of a call, which is a node."""
    source = node.args[index]
    assert isinstance(source, fx.Node), f"argument {index} of {node.name} is not a value of the graph"
    return source
