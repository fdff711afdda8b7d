"""Bypassing residual branches: `x + f(x)` becomes `x`, and what only `f` needed is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import fx

from prunec.ir.program import CachePair, Program, build_module


def bypass(program: Program, additions: Iterable[tuple[str, str]]) -> Program:
    """Replace each addition by its skip operand and remove dead code.

    A cache that no other output is computed from any more goes, too: its input and its output.

    Args:
        program: what to rewrite; it is left alone.
        additions: (name of the addition, name of the skip node) pairs.
    """
    skips = dict(additions)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    names = {node.name: node for node in program.graph.nodes}
    for node in program.graph.nodes:
        if node.name in skips:
            copies[node] = copies[names[skips[node.name]]]
        else:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    idle = _idle_caches(program, graph)
    kept = [name not in {pair.present for pair in idle} for name in program.outputs]
    (output,) = graph.find_nodes(op="output")
    output.args = (tuple(value for value, stays in zip(output.args[0], kept, strict=True) if stays),)
    remove_dead_code(graph)
    gone = {pair.past for pair in idle}
    for item, node in zip(program.inputs, graph.find_nodes(op="placeholder"), strict=True):
        if item.name in gone:
            graph.erase_node(node)
    return replace(
        program.with_module(build_module(graph, program.tensors())),
        inputs=tuple(item for item in program.inputs if item.name not in gone),
        outputs=tuple(name for name, stays in zip(program.outputs, kept, strict=True) if stays),
        example={name: tensor for name, tensor in program.example.items() if name not in gone},
        caches=tuple(pair for pair in program.caches if pair not in idle),
    )


def _idle_caches(program: Program, graph: fx.Graph) -> list[CachePair]:
    """The caches that `graph` reads for nothing but to hand them on."""
    presents = {pair.present for pair in program.caches}
    (output,) = graph.find_nodes(op="output")
    needed: set[fx.Node] = set()
    stack = [value for name, value in zip(program.outputs, output.args[0], strict=True) if name not in presents]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend(node.all_input_nodes)
    pairs = {pair.past: pair for pair in program.caches}
    placeholders = zip(program.inputs, graph.find_nodes(op="placeholder"), strict=True)
    return [pairs[item.name] for item, node in placeholders if item.name in pairs and node not in needed]


def remove_dead_code(graph: fx.Graph) -> None:
    """Erase every call and tensor that no output needs; inputs stay."""
    for node in reversed(graph.nodes):
        if node.op in ("call_function", "get_attr") and not node.users:
            graph.erase_node(node)
