"""Bypassing residual branches: `x + f(x)` becomes `x`, and what only `f` needed is gone."""

from __future__ import annotations

from collections.abc import Iterable

from torch import fx

from prunec.ir.caches import without_idle_caches
from prunec.ir.program import Program


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
    return without_idle_caches(program, graph)


def tensors_after(program: Program, additions: Iterable[tuple[str, str]]) -> set[str]:
    """Names of the tensors that `bypass` would leave, without building the program that reads them."""
    skips = dict(additions)
    names = {node.name: node for node in program.graph.nodes}
    needed: set[fx.Node] = set()
    stack = [next(node for node in program.graph.nodes if node.op == "output")]
    while stack:
        node = stack.pop()
        while node.name in skips:
            node = names[skips[node.name]]
        if node not in needed:
            needed.add(node)
            stack.extend(node.all_input_nodes)
    return {str(node.target) for node in needed if node.op == "get_attr"}
