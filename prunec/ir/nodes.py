"""Nodes as this package uses them: torch types their fields for every graph there could be."""

from __future__ import annotations

import operator as arithmetic
import re
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


def identifier(name: str) -> str:
    """What the placeholder of the input called `name` is called."""
    return re.sub(r"\W", "_", name)


def function(node: fx.Node) -> Callable[..., Any]:
    """What a call calls."""
    assert callable(node.target), f"{node.name} calls nothing"
    return node.target


def operator(node: fx.Node) -> object:
    """The ATen operator of a call, whichever overload; None for plain Python arithmetic."""
    return cast(object, getattr(node.target, "overloadpacket", None))


_FROM_SIZES = (arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.floordiv, arithmetic.mod)
"""What computes sizes from other sizes."""
_NUMBERS = ("number", "float", "Tensor")
"""Types of arguments that are numbers to compute with, as an operator declares them."""


def is_number(size: fx.Node) -> bool:
    """Whether a size, or one computed from it, is used as a number, and not only as a size."""
    for user in size.users:
        if isinstance(user.target, torch._ops.OpOverload):
            declared = {item.name: str(item.type) for item in user.target._schema.arguments}
            given = dict(zip(declared, user.args, strict=False)) | user.kwargs
            if any(value is size and any(kind in declared[name] for kind in _NUMBERS) for name, value in given.items()):
                return True
        elif user.op == "call_function" and (user.target not in _FROM_SIZES or is_number(user)):
            return True
    return False


def is_counted(size: object) -> bool:
    """Whether a size in a call is a literal above one, or a multiple of such, as heads times samples are."""
    if isinstance(size, fx.Node):
        return size.target is arithmetic.mul and any(map(is_counted, size.args))
    return isinstance(size, int) and not isinstance(size, bool) and size > 1


def read(node: fx.Node, index: int) -> fx.Node:
    """Argument `index` of a call, which is a node."""
    source = node.args[index]
    assert isinstance(source, fx.Node), f"argument {index} of {node.name} is not a value of the graph"
    return source
