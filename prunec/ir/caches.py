"""Key-value caches after a removal: those that are only handed on go, inputs and outputs; others are counted anew."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import torch
from torch import fx

from prunec.ir.nodes import identifier, operator
from prunec.ir.program import CachePair, Program, build_module

aten = torch.ops.aten
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
"""The number of a layer in the name of a cache, such as `past_key_values.3.key`."""


def without_idle_caches(program: Program, graph: fx.Graph) -> Program:
    """`program` over `graph`, which it takes over, without dead code.

    A cache goes if no output is computed from it but what it hands on itself. Where the graph reads how long the past
    is from such a cache, it reads it from another input; the last input that tells stays. Caches that stay are numbered
    from 0 without a gap: who feeds them counts layers.
    """
    nodes = {item.name: node for item, node in zip(program.inputs, graph.find_nodes(op="placeholder"), strict=True)}
    idle = _idle(program, graph, nodes)
    presents = {pair.present for pair in program.caches if pair.past in idle}
    kept = [name not in presents for name in program.outputs]
    (output,) = graph.find_nodes(op="output")
    output.args = (tuple(value for value, stays in zip(output.args[0], kept, strict=True) if stays),)
    for name in idle:
        for node in list(nodes[name].users):
            if (other := _same_size(program, node, name, idle)) is not None:
                node.args = (nodes[other[0]], other[1])
    remove_dead_code(graph)
    for name in idle:
        graph.erase_node(nodes[name])
    slim = replace(
        program.with_module(build_module(graph, program.tensors())),
        inputs=tuple(item for item in program.inputs if item.name not in idle),
        outputs=tuple(name for name, stays in zip(program.outputs, kept, strict=True) if stays),
        example={name: tensor for name, tensor in program.example.items() if name not in idle},
        caches=tuple(pair for pair in program.caches if pair.past not in idle),
    )
    return _renumbered(slim) if idle else slim


def _renumbered(program: Program) -> Program:
    """`program` with the numbers in the names of its caches, and of their placeholders, counted from 0."""
    pairs = program.caches
    numbers = sorted({int(found[0]) for pair in pairs if (found := NUMBER.search(pair.past))})

    def name(old: str) -> str:
        return NUMBER.sub(lambda found: str(numbers.index(int(found[0]))), old, count=1)

    names = {old: name(old) for pair in pairs for old in (pair.past, pair.present)}
    return replace(
        program.with_module(build_module(_renamed(program, names), program.tensors())),
        inputs=tuple(replace(item, name=names.get(item.name, item.name)) for item in program.inputs),
        outputs=tuple(names.get(item, item) for item in program.outputs),
        example={names.get(item, item): value for item, value in program.example.items()},
        caches=tuple(CachePair(names[pair.past], names[pair.present]) for pair in pairs),
    )


def _renamed(program: Program, names: Mapping[str, str]) -> fx.Graph:
    """The graph with the placeholders of the inputs in `names` called by their new names."""
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    called = {
        node: identifier(names[item.name])
        for item, node in zip(program.inputs, program.graph.find_nodes(op="placeholder"), strict=True)
        if item.name in names
    }
    for node in program.graph.nodes:
        if node in called:
            copies[node] = graph.placeholder(called[node])
            copies[node].meta = dict(node.meta)
        else:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return graph


def remove_dead_code(graph: fx.Graph) -> None:
    """Erase every call and tensor that no output needs; inputs stay."""
    for node in reversed(graph.nodes):
        if node.op in ("call_function", "get_attr") and not node.users:
            graph.erase_node(node)


def _idle(program: Program, graph: fx.Graph, nodes: Mapping[str, fx.Node]) -> list[str]:
    """The caches whose numbers reach no output that stays, in the order of the inputs."""
    (output,) = graph.find_nodes(op="output")
    idle = [pair.past for pair in program.caches]
    while idle:
        presents = {pair.present for pair in program.caches if pair.past in idle}
        values = zip(program.outputs, output.args[0], strict=True)
        needed = _needed(value for name, value in values if name not in presents)
        readers = {name: needed & set(nodes[name].users) for name in idle}
        busy = [name for name in idle if any(operator(node) is not aten.sym_size for node in readers[name])]
        alone = [name for name in idle if any(not _same_size(program, node, name, idle) for node in readers[name])]
        if not busy and not alone:
            break
        idle = [name for name in idle if name not in (busy or alone[:1])]
    return idle


def _needed(outputs: Iterable[fx.Node]) -> set[fx.Node]:
    """Every node that `outputs` are computed from."""
    needed: set[fx.Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend(node.all_input_nodes)
    return needed


def _same_size(program: Program, node: fx.Node, name: str, idle: Collection[str]) -> tuple[str, int] | None:
    """Another input and its axis of the size that `node` reads from the input `name`."""
    if operator(node) is not aten.sym_size:
        return None
    axes = {item.name: item.axes for item in program.inputs}
    axis = node.args[1]
    wanted = axes[name].get(axis) if isinstance(axis, int) else None
    others = ((other, at) for other, own in axes.items() if other not in idle for at in own if own[at] == wanted)
    return next(others, None) if wanted is not None else None
