"""Physical removal: tensors sliced, shape literals re-derived from the labels that survive, means as they were."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.errors import PassError
from prunec.ir.execute import output_nodes
from prunec.ir.factors import factor
from prunec.ir.labels.flow import LabelFlow, run_flow
from prunec.ir.literals import Arguments, Packed, Scaled, overload, rederive
from prunec.ir.lookups import rows_left
from prunec.ir.program import Program, build_module
from prunec.ir.survivors import Survivors
from prunec.ir.text import node_text

aten = torch.ops.aten
Cuts = dict[tuple[str, int], np.ndarray]


def slice_program(program: Program, cuts: Cuts, flow: LabelFlow | None = None) -> Program:
    """Remove tensor indices and adapt the graph to what is left.

    Means keep the denominators that they had; normalisations in one operator that centres take what is left.

    Args:
        program: what to cut; it is left alone.
        cuts: (tensor name, dim) to the indices that go. The cuts must be whole units: everything
            tied to an index must be named too.
        flow: label flow of `program`, where there is one already.

    Raises:
        PassError: the cuts leave a ragged tensor, or empty one axis; the node is named.
    """
    flow = flow or run_flow(program)
    survivors = Survivors(flow, flow.removed(cuts))
    tensors = _sliced_tensors(program, survivors)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in program.graph.nodes:
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        try:
            found, scale = rederive(node, survivors), factor(node, survivors)
        except ValueError as error:
            raise PassError(f"cannot cut {node_text(node)}: {error}", "remove whole units of one family") from error
        if found is not None:
            with graph.inserting_before(copy):
                copy.args, copy.kwargs = _copied(graph, found, copies)
            copy.target = overload(node, found)
        if scale != 1:
            copies[node] = graph.create_node(
                "call_function", aten.mul.Tensor, (copy, scale), name=f"{node.name}_of_all"
            )
    graph.lint()
    sliced = program.with_module(build_module(graph, tensors))
    examples = {**program.example, **_sliced_caches(program, survivors), **_renumbered(program, survivors)}
    return replace(sliced, example=examples)


def _renumbered(program: Program, survivors: Survivors) -> dict[str, Tensor]:
    """The examples of the inputs that look up a table of which rows go, in the numbers of what is left.

    A row that is gone becomes the last that is left before it, or else the first.
    """
    examples = {}
    for name, alive in rows_left(program, survivors).items():
        numbers = torch.from_numpy((np.cumsum(alive) - 1).clip(0)).to(program.example[name].device)
        examples[name] = numbers[program.example[name].long()].to(program.example[name].dtype)
    return examples


def _sliced_caches(program: Program, survivors: Survivors) -> dict[str, Tensor]:
    """The examples of the caches without the heads that go."""
    nodes = dict(zip((item.name for item in program.inputs), program.graph.find_nodes(op="placeholder"), strict=True))
    nodes |= dict(zip(program.outputs, output_nodes(program), strict=True))
    examples = {}
    for pair in program.caches:
        example = program.example[pair.past]
        # An empty past has no elements that could tell; what is handed on has the same heads and dims.
        node = nodes[pair.past if example.numel() else pair.present]
        for axis in (1, 3):
            kept = torch.from_numpy(np.flatnonzero(survivors.alive(node, axis)))
            example = example.index_select(axis, kept.to(example.device))
        examples[pair.past] = example
    return examples


def _copied(graph: fx.Graph, found: Arguments, copies: dict[fx.Node, fx.Node]) -> Any:
    """Re-derived arguments in the new graph, with what scaled sizes and packed values take."""

    def translate(value: Any) -> Any:
        if isinstance(value, Scaled):
            product = graph.call_function(operator.mul, (copies[value.size], value.kept))
            return graph.call_function(operator.floordiv, (product, value.whole))
        if isinstance(value, Packed):
            packed = graph.call_function(torch.ops.aten.clone.default, (copies[value.value],))
            packed.kwargs = {"memory_format": torch.contiguous_format}
            return packed
        return copies[value] if isinstance(value, fx.Node) else value

    return fx.node.map_aggregate((tuple(found[0]), found[1]), translate)


def _sliced_tensors(program: Program, survivors: Survivors) -> dict[str, Tensor]:
    """The program's tensors without what goes; one that has two names stays one."""
    slices: dict[int, Tensor] = {}
    tensors = program.tensors()
    for name, tensor in tensors.items():
        if id(tensor) not in slices:
            slices[id(tensor)] = _slice(survivors, name, tensor)
    return {name: slices[id(tensor)] for name, tensor in tensors.items()}


def _slice(survivors: Survivors, name: str, tensor: Tensor) -> Tensor:
    for dim, labels in enumerate(survivors.flow.tensors[name]):
        gone = survivors.gone[labels.numpy()]
        if gone.size and gone.all():
            raise PassError(f"nothing would be left of {name} along axis {dim}", "bypass its sublayer instead")
        if gone.any():
            kept = torch.from_numpy(np.flatnonzero(~gone)).to(tensor.device)
            tensor = like(tensor, tensor.index_select(dim, kept))
    return tensor


def like(original: Tensor, values: Tensor) -> Tensor:
    """`values` as what `original` is: a parameter or a plain tensor."""
    if isinstance(original, torch.nn.Parameter):
        return torch.nn.Parameter(values.detach(), requires_grad=original.requires_grad)
    return values
