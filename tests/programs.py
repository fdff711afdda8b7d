"""Programs for tests, traced from small modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind

from prunec.ir.program import Input, Program, Provenance, build_module

Axes = Mapping[str, Mapping[int, str]]


def program_from_module(module: nn.Module, example: Mapping[str, Tensor], axes: Axes) -> Program:
    """Trace `module`, called with the tensors of `example` by name; `axes` gives each input's dynamic axes.

    The module returns a tensor, or a tuple of tensors: they are called `output` or `output_0`, `output_1`, ...
    """
    auto = torch.export.Dim.AUTO
    dynamic = {name: dict.fromkeys(axes.get(name, {}), auto) for name in example}
    exported = torch.export.export(module.eval(), (), dict(example), dynamic_shapes=dynamic)
    graph, tensors = _unlifted(exported)
    result = next(node for node in graph.nodes if node.op == "output")
    count = len(result.args[0])
    outputs = ("output",) if count == 1 else tuple(f"output_{index}" for index in range(count))
    inputs = tuple(Input(name, tensor.dtype, dict(axes.get(name, {}))) for name, tensor in example.items())
    origin = Provenance("a test", type(module).__name__, "test")
    return Program(build_module(graph, tensors), inputs, outputs, dict(example), origin)


def _unlifted(exported: torch.export.ExportedProgram) -> tuple[fx.Graph, dict[str, Tensor]]:
    """The exported graph with parameters and buffers read by `get_attr`, under their names in the module."""
    graph: fx.Graph = exported.graph
    named = {**exported.state_dict, **exported.constants}
    tensors: dict[str, Tensor] = {}
    placeholders = graph.find_nodes(op="placeholder")
    for spec, node in zip(exported.graph_signature.input_specs, placeholders, strict=True):
        if spec.kind is InputKind.USER_INPUT:
            continue
        tensors[spec.target] = named[spec.target]
        with graph.inserting_before(node):
            read = graph.create_node("get_attr", spec.target)
        node.replace_all_uses_with(read)
        graph.erase_node(node)
    for node in graph.nodes:
        node.meta = {}
    return graph, tensors
