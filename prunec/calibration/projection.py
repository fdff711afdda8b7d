"""The output projection of a sublayer: the one linear map that least squares can re-fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from prunec.facts import Sublayer
from prunec.ir.program import Program

aten = torch.ops.aten
TINY = 1e-12
"""A feature that is multiplied by less than this cannot be mended before the multiplication."""


@dataclass(frozen=True)
class Projection:
    """The linear call that makes a branch, as it is or multiplied by a number for each feature (a layer scale).

    Attributes:
        linear: the call.
        branch: the node whose value is the branch: `linear`, or the multiplication.
        scale: the name of what `linear` is multiplied by, `[outputs]`, if it is.
    """

    linear: fx.Node
    branch: fx.Node
    scale: str | None = None

    def multiplied(self, values: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        """A weight `[outputs, inputs]` or a bias `[outputs]` as the branch has it."""
        return values if self.scale is None else values * _rows(tensors[self.scale], values)

    def divided(self, values: Tensor, old: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        """The weight or bias of the call that the branch has as `values`; `old` where nothing of it arrives."""
        if self.scale is None:
            return values
        scale = _rows(tensors[self.scale], values)
        arrives = scale.abs() > TINY
        return torch.where(arrives, values / torch.where(arrives, scale, 1.0), old.to(values.dtype))


def _rows(scale: Tensor, values: Tensor) -> Tensor:
    """`scale` `[outputs]` as numbers for the rows of `values`."""
    return scale.detach().to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))


def projection_of(program: Program, sublayer: Sublayer) -> Projection | None:
    """The projection of `sublayer`, if nothing else reads its weight or stands behind it but a layer scale."""
    node = next((node for node in program.graph.nodes if node.name == sublayer.branch), None)
    if node is None or len(node.users) != 1:
        return None
    linear, scale = _unscaled(node)
    if linear is None or len(linear.users) != 1:
        return None
    weight: Any = linear.args[1]
    readers = program.graph.find_nodes(op="get_attr", target=weight.target)
    if sum(len(reader.users) for reader in readers) != 1:
        return None
    if scale is not None and program.tensor(scale).shape != program.tensor(weight.target).shape[:1]:
        return None
    return Projection(linear, node, scale)


def output_projection(program: Program, sublayer: Sublayer) -> fx.Node | None:
    """The linear call that makes the branch as it is, if nothing else reads its weight or stands behind it."""
    found = projection_of(program, sublayer)
    return found.linear if found is not None and found.scale is None else None


def _unscaled(node: fx.Node) -> tuple[fx.Node | None, str | None]:
    """The linear call whose value `node` is, and the name of the vector that it is multiplied by there."""
    if node.target is aten.linear.default:
        return node, None
    if node.target is not aten.mul.Tensor:
        return None, None
    sides = [item for item in node.args if isinstance(item, fx.Node)]
    linear = next((item for item in sides if item.target is aten.linear.default), None)
    scale = next((item for item in sides if item.op == "get_attr"), None)
    if linear is None or scale is None:
        return None, None
    return linear, str(scale.target)
