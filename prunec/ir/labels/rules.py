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

    def named(self, name: str, default: Any = None) -> Any:
        """Argument by the name that the operator's schema gives it; `default` where it has none of that name."""
        declared = [item.name for item in self.node.target._schema.arguments]  # type: ignore[union-attr]
        if name not in declared:
            return default
        return self.argument(declared.index(name), name, default)

    def labelled(self) -> list[Labelled]:
        """The tensors among the arguments, lists included, in order."""
        found: list[Labelled] = []

        def visit(value: object) -> None:
            if isinstance(value, Labelled):
                found.append(value)
            elif isinstance(value, (list, tuple)):
                for item in value:
                    visit(item)

        visit(self.args)
        visit(list(self.kwargs.values()))
        return found


Planes = tuple[Tensor, ...]
Result = Planes | Labelled | list[Planes] | list[Labelled]
"""The planes of a call's result, or the result where it has a domain; a list of them for several results."""
Rule = Callable[[Call, Ledger], Result]

RULES: dict[object, Rule] = {}
"""Operator to rule; one that torch itself does not have, by its name."""
POINTWISE = "every other pointwise operator"
"""What the rule goes by that pointwise operators share which have none of their own."""


MAKERS: set[Rule | None] = set()
"""The rules that make labels where no argument has any."""


FOLLOWERS: set[Rule | None] = set()
"""The rules that know what becomes of numbers that are places; the domains of all other calls' arguments are pinned."""


def rule(
    *operators: torch._ops.OpOverloadPacket | str, makes: bool = False, follows: bool = False
) -> Callable[[Rule], Rule]:
    """Register a rule for every overload of `operators`.

    Args:
        operators: of torch; any other by its name.
        makes: whether it makes labels of its own.
        follows: whether it minds the domains of its arguments: hands them on, ties or pins them.
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        MAKERS.update({function} if makes else ())
        FOLLOWERS.update({function} if follows else ())
        return function

    return register


def find_rule(target: object) -> Rule | None:
    """The rule of a call's target; pointwise operators without one of their own share a rule."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    found = RULES.get(target.overloadpacket) or RULES.get(target._schema.name)
    return RULES[POINTWISE] if found is None and torch.Tag.pointwise in target.tags else found


def refuse(call: Call, ledger: Ledger, why: str) -> Planes:
    """Pin all that a call touches, and say why: `why` goes on from the name of its node."""
    for value in call.labelled():
        ledger.pin_domain(value, f"{call.node.name} {why}")
        for plane in value.planes:
            ledger.pin(plane, f"{call.node.name} {why}")
    ledger.refused.setdefault(call.node, why)
    return ()
