"""Running part of a program: from values that are known to values that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, fx

from prunec.ir.nodes import function
from prunec.ir.past import completed
from prunec.ir.program import Program

Override = Callable[[fx.Node, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


def input_values(program: Program, inputs: Mapping[str, Tensor]) -> dict[fx.Node, Any]:
    """The placeholders of `program` with their values: the usual start of `evaluate`. Need only what is `asked`."""
    inputs = completed(program, inputs)
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    return {node: inputs[item.name] for node, item in zip(nodes, program.inputs, strict=True)}


def output_nodes(program: Program) -> tuple[fx.Node, ...]:
    """The nodes whose values the program returns, in the order of `program.outputs`."""
    output = next(node for node in program.graph.nodes if node.op == "output")
    return tuple(output.args[0])


def evaluate(
    program: Program,
    known: Mapping[fx.Node, Any],
    wanted: Iterable[fx.Node],
    *,
    before_call: Override | None = None,
) -> dict[fx.Node, Any]:
    """The values of `wanted`, computed from `known` by the fewest calls.

    Args:
        program: the program whose graph the nodes belong to.
        known: nodes whose values are given; nothing before them is run on their account.
        wanted: nodes whose values are returned.
        before_call: sees each call with its arguments and may replace them (masks, taps).

    A value is dropped as soon as its last reader has run, so memory holds what is alive only.
    """
    wanted = list(wanted)
    schedule = _schedule(program.graph, known, wanted)
    readers = {node: sum(user in schedule for user in node.users) for node in [*known, *schedule]}
    values: dict[fx.Node, Any] = dict(known)
    keep = set(wanted)
    for node in schedule:
        if node.op == "get_attr":
            values[node] = program.tensor(str(node.target))
        else:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            if before_call is not None:
                args, kwargs = before_call(node, args, kwargs)
            values[node] = function(node)(*args, **kwargs)
        for source in node.all_input_nodes:
            readers[source] -= 1
            if readers[source] == 0 and source not in keep:
                values.pop(source, None)
    return {node: values[node] for node in wanted}


def _schedule(graph: fx.Graph, known: Mapping[fx.Node, Any], wanted: list[fx.Node]) -> dict[fx.Node, None]:
    """What must run, in graph order (a dict serves as an ordered set)."""
    needed: set[fx.Node] = set()
    stack = [node for node in wanted if node not in known]
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        stack.extend(source for source in node.all_input_nodes if source not in known)
    return {node: None for node in graph.nodes if node in needed}
