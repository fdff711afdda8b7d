"""The rule table: one label rule per ATen operator, filled by the files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.value import Labelled


@dataclass(frozen=True)
class Call:
    """One call as a rule sees it.

    Attributes:
        node: the call's node.
        args, kwargs: its arguments with `Labelled` in the place of tensors.
        meta: what the call returns on meta tensors: a tensor, or a tuple or list of them.
    """

    node: fx.Node
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    meta: Any

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """Argument by position or by keyword."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)


Planes = tuple[Tensor, ...]
Rule = Callable[[Call, Ledger], "Planes | list[Planes]"]
Literals = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]

RULES: dict[torch._ops.OpOverloadPacket, Rule] = {}
"""Operator to rule. A rule returns the planes of the result (a list of them for several results)."""


def rule(*operators: torch._ops.OpOverloadPacket) -> Callable[[Rule], Rule]:
    """Register a rule for every overload of `operators`."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = function
        return function

    return register


def find_rule(target: object) -> Rule | None:
    """The rule of a call's target; pointwise operators without one of their own share a rule."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    found = RULES.get(target.overloadpacket)
    if found is None and torch.Tag.pointwise in target.tags:
        from prunec.ir.labels.elementwise import elementwise

        return elementwise
    return found


def planes_of(call: Call) -> list[Labelled]:
    """The labelled values among the arguments, lists included, in order."""
    found: list[Labelled] = []

    def visit(value: object) -> None:
        if isinstance(value, Labelled):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)

    visit(call.args)
    visit(list(call.kwargs.values()))
    return found
