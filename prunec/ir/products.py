"""Products with weights: which calls multiply what by a matrix that a program holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from prunec.ir.nodes import operator
from prunec.ir.program import Program

aten = torch.ops.aten
PLACES: dict[object, tuple[int, int, int]] = {
    aten.linear: (0, 1, 1),
    aten.addmm: (1, 2, 0),
    aten.mm: (0, 1, 0),
    aten.matmul: (0, 1, 0),
}
"""By operator: the argument that is multiplied, the argument that is the weight, and the axis of it that is summed."""


@dataclass(frozen=True)
class Product:
    """A call that multiplies `[..., features]` by a matrix.

    Attributes:
        call: the node.
        operand: the node of what is multiplied.
        weight: name of the matrix.
        axis: the axis of the matrix that has the features.
    """

    call: fx.Node
    operand: fx.Node
    weight: str
    axis: int


def products(program: Program) -> tuple[Product, ...]:
    """Every product of `program` with a stored matrix, in graph order."""
    found = (_product(program, node) for node in program.graph.nodes if node.op == "call_function")
    return tuple(item for item in found if item is not None)


def _product(program: Program, node: fx.Node) -> Product | None:
    places = PLACES.get(operator(node))
    if places is None:
        return None
    operand, weight = node.args[places[0]], node.args[places[1]]
    if not isinstance(operand, fx.Node) or not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return None
    tensor = program.tensor(str(weight.target))
    if tensor.dim() != 2 or not tensor.is_floating_point():
        return None
    return Product(node, operand, str(weight.target), places[2])
