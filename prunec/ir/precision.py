"""A program in double precision: what tells a difference in the graph from rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, fx
from torch.fx.node import Argument

from prunec.ir.program import Program, build_module


def in_double(program: Program) -> Program:
    """`program` with every float32 tensor, input and type literal as float64. The copy takes twice the memory."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in program.graph.nodes:
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        copy.args, copy.kwargs = fx.node.map_aggregate((copy.args, copy.kwargs), _doubled)
    doubled: dict[int, Tensor] = {}
    tensors = {name: doubled.setdefault(id(tensor), double(tensor)) for name, tensor in program.tensors().items()}
    inputs = tuple(
        replace(item, dtype=torch.float64) if item.dtype == torch.float32 else item for item in program.inputs
    )
    example = doubles(program.example)
    return replace(program.with_module(build_module(graph, tensors)), inputs=inputs, example=example)


def doubles(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every float32 tensor as float64, the others as they are."""
    return {name: double(value) for name, value in values.items()}


def double(tensor: Tensor) -> Tensor:
    """A float32 tensor as float64, another as it is."""
    return tensor.detach().double() if tensor.dtype == torch.float32 else tensor.detach()


def _doubled(value: Argument) -> Argument:
    return torch.float64 if value is torch.float32 else value
