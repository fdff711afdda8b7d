"""A program on another device: its tensors, its examples, and the devices written into its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from prunec.ir.program import Program, build_module


def on_device(program: Program, device: torch.device, tensors: Mapping[str, Tensor] | None = None) -> Program:
    """A copy of `program` on `device`, node names as they are; a tensor that has two names stays one.

    Args:
        program: left as it is.
        device: where tensors go; those that are there already are shared with `program`.
        tensors: by name, what takes the place of the program's own, as it is.
    """

    def placed(value: object) -> object:
        return device if isinstance(value, torch.device) else value

    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in program.graph.nodes:
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        copy.args, copy.kwargs = fx.node.map_aggregate((copy.args, copy.kwargs), placed)  # type: ignore[arg-type]
    moved: dict[int, Tensor] = {}
    for tensor in program.tensors().values():
        moved.setdefault(id(tensor), _moved(tensor, device))
    placed_tensors = {name: moved[id(tensor)] for name, tensor in program.tensors().items()} | dict(tensors or {})
    example = {name: value.to(device) for name, value in program.example.items()}
    return replace(program.with_module(build_module(graph, placed_tensors)), example=example)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; a parameter stays one."""
    if tensor.device == device:
        return tensor
    values = tensor.detach().to(device)
    return nn.Parameter(values, requires_grad=False) if isinstance(tensor, nn.Parameter) else values
