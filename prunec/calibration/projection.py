"""The output projection of a sublayer: the one linear map that least squares can re-fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from prunec.facts import Sublayer
from prunec.ir.program import Program

aten = torch.ops.aten


def output_projection(program: Program, sublayer: Sublayer) -> fx.Node | None:
    """The linear call that makes the branch, if nothing else reads its weight or stands behind it."""
    node = next((node for node in program.graph.nodes if node.name == sublayer.branch), None)
    if node is None or node.target is not aten.linear.default or len(node.users) != 1:
        return None
    weight: Any = node.args[1]
    readers = program.graph.find_nodes(op="get_attr", target=weight.target)
    return node if sum(len(reader.users) for reader in readers) == 1 else None
