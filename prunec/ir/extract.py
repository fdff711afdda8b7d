"""Cutting a piece of a program out as a program of its own, for one input shape."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, fx

from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import CachePair, Input, Program, build_module


def extract(
    program: Program, sources: Sequence[str], result: str, inputs: Mapping[str, Tensor], tensors: Collection[str] = ()
) -> Program:
    """The calls between `sources` and `result` as a program, specialised to the shapes of `inputs`.

    What the calls read besides and is computed from `tensors`, such as a position bias, is computed in the
    program as well. Its inputs are `sources` and every tensor that the calls read besides (masks, rotary tables), each
    with the value it has when the whole program runs on `inputs`; sizes become literals; its output is `result`, and
    what the calls hand on of the caches that they read. Tensors keep their names; caches are numbered, so that pieces
    of two layers look alike.
    """
    names = {node.name: node for node in program.graph.nodes}
    starts, end = dict.fromkeys(names[source] for source in sources), names[result]
    inside = _between(program.graph, starts, end)
    inside |= _computed_from(program.graph, tensors, starts, inside)
    calls = [node for node in program.graph.nodes if node in inside]
    reads = dict.fromkeys([*starts, *(read for node in calls for read in node.all_input_nodes if read not in inside)])
    boundary = [node for node in reads if node.op != "get_attr"]
    values = evaluate(program, input_values(program, inputs), boundary)
    caches = _caches(program, boundary, inside)
    pasts = {past: pair.past for (past, _), pair in caches.items()}
    graph = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    example: dict[str, Tensor] = {}
    for node in boundary:
        value = values[node]
        if isinstance(value, Tensor):
            copies[node] = graph.placeholder(node.name)
            example[pasts.get(node, node.name)] = value.detach().contiguous()
        else:
            copies[node] = value
    for node in program.graph.nodes:
        if node in inside or (node.op == "get_attr" and any(user in inside for user in node.users)):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output((copies[end], *(copies[present] for _, present in caches)))
    piece = program.with_module(build_module(graph, program.tensors()))
    items = tuple(Input(name, value.dtype, {}) for name, value in example.items())
    pairs = tuple(caches.values())
    outputs = (end.name, *(pair.present for pair in pairs))
    return replace(piece, inputs=items, outputs=outputs, example=example, caches=pairs, positions="")


def _caches(
    program: Program, boundary: Collection[fx.Node], inside: Collection[fx.Node]
) -> dict[tuple[fx.Node, fx.Node], CachePair]:
    """The caches that calls `inside` read and hand on, by their nodes."""
    names = (item.name for item in program.inputs)
    placeholders = dict(zip(names, program.graph.find_nodes(op="placeholder"), strict=True))
    results = dict(zip(program.outputs, output_nodes(program), strict=True))
    found = ((placeholders[pair.past], results[pair.present]) for pair in program.caches)
    read = [(past, present) for past, present in found if past in boundary and present in inside]
    return {nodes: CachePair(f"past.{number}", f"present.{number}") for number, nodes in enumerate(read)}


def _computed_from(
    graph: fx.Graph, tensors: Collection[str], starts: Collection[fx.Node], inside: set[fx.Node]
) -> set[fx.Node]:
    """Calls outside `inside` that it needs and that read `tensors`, on ways that do not pass `starts`."""
    reading: set[fx.Node] = set()
    for node in graph.nodes:
        if node not in starts and any(item.target in tensors or item in reading for item in node.all_input_nodes):
            reading.add(node)
    found: set[fx.Node] = set()
    stack = [item for node in inside for item in node.all_input_nodes]
    while stack:
        node = stack.pop()
        if node in reading and node not in inside and node not in found:
            found.add(node)
            stack.extend(node.all_input_nodes)
    return found


def _between(graph: fx.Graph, starts: Collection[fx.Node], end: fx.Node) -> set[fx.Node]:
    """Calls computed from `starts` that `end` needs."""
    after: set[fx.Node] = set()
    for node in graph.nodes:
        if node not in starts and any(read in starts or read in after for read in node.all_input_nodes):
            after.add(node)
    inside: set[fx.Node] = set()
    stack = [end]
    while stack:
        node = stack.pop()
        if node in after and node not in inside:
            inside.add(node)
            stack.extend(node.all_input_nodes)
    return inside
