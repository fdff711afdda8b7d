"""The verifier: what is true of every program, as a list of named invariants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from prunec.errors import VerificationError
from prunec.ir.nodes import identifier
from prunec.ir.program import Program
from prunec.ir.shapes import Shapes
from prunec.ir.text import node_text, operator_name

CONTEXT_LINES = 10


@dataclass(frozen=True)
class Problem:
    """One way in which a program breaks an invariant, at `node` where there is one to point at."""

    what: str
    node: fx.Node | None = None


Invariant = Callable[[Program], Iterator[Problem]]


def verify(program: Program, *, shapes: bool = True) -> None:
    """Check every invariant, in order, up to the first that does not hold.

    Args:
        program: what is checked.
        shapes: also run the graph on tensors without data, the one check that costs more than milliseconds.

    Raises:
        VerificationError: names the invariant; a note shows the node among its neighbours.
    """
    for name, invariant in INVARIANTS.items():
        if invariant is shapes_propagate and not shapes:
            continue
        problems = list(invariant(program))
        if problems:
            raise _error(name, problems, program)


def graph_is_sound(program: Program) -> Iterator[Problem]:
    """Nodes belong to the graph, have names of their own and come after what they read."""
    try:
        program.graph.lint()
    except (RuntimeError, ValueError) as error:
        yield Problem(str(error).splitlines()[0])
    if program.graph.owning_module is not program.module:
        yield Problem("the graph belongs to another module")


def inputs_match(program: Program) -> Iterator[Problem]:
    """There is a placeholder per input, in the same order, and no name is used twice."""
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    names = [item.name for item in program.inputs]
    if len(nodes) != len(names):
        yield Problem(f"{len(names)} inputs are declared and the graph has {len(nodes)} placeholders")
        return
    if len(set(names)) < len(names):
        yield Problem(f"two inputs have one name: {', '.join(names)}")
    spelled = [identifier(name) for name in names]
    for node, name, meant in zip(nodes, names, spelled, strict=True):
        called = {str(node.target), node.name}
        if meant not in called and called & set(spelled):
            yield Problem(f"input `{name}` stands at the place of placeholder `{node.name}`", node)


def tensors_resolve(program: Program) -> Iterator[Problem]:
    """Every `get_attr` node reads a tensor that keeps count of its changes."""
    for node in program.graph.find_nodes(op="get_attr"):
        value: object = program.module
        for part in str(node.target).split("."):
            value = getattr(value, part, None)
        if not isinstance(value, Tensor):
            yield Problem(f"`{node.target}` is {type(value).__name__}, not a tensor", node)
        elif value.is_inference():
            yield Problem(f"`{node.target}` was made in inference mode: fingerprints cannot tell it changing", node)


def outputs_match(program: Program) -> Iterator[Problem]:
    """The graph returns one flat tuple, with a node for every output name."""
    (node,) = program.graph.find_nodes(op="output")
    values = node.args[0] if node.args else None
    if not isinstance(values, tuple) or not all(isinstance(value, fx.Node) for value in values):
        yield Problem("the graph does not return a flat tuple of nodes", node)
    elif len(values) != len(program.outputs):
        yield Problem(f"{len(program.outputs)} outputs are declared and the graph returns {len(values)}", node)
    if len(set(program.outputs)) < len(program.outputs):
        yield Problem(f"two outputs have one name: {', '.join(program.outputs)}", node)


def calls_are_operators(program: Program) -> Iterator[Problem]:
    """Every call is a registered operator (of ATen, with few exceptions) or arithmetic on sizes."""
    for node in program.graph.nodes:
        if node.op in ("call_module", "call_method"):
            yield Problem(f"{node.op} of `{node.target}` is not a registered operator", node)
        elif node.op == "call_function" and not _is_allowed(node.target):
            yield Problem(f"`{operator_name(node)}` is neither a registered operator nor arithmetic on sizes", node)


def tensors_are_read(program: Program) -> Iterator[Problem]:
    """No tensor is carried along that the graph does not read."""
    read = set()
    for node in program.graph.find_nodes(op="get_attr"):
        read.add(node.target)
        if not node.users:
            yield Problem(f"nothing reads `{node.target}`", node)
    module = program.module
    for named in (module.named_parameters, module.named_buffers):
        for name, _ in named(remove_duplicate=False):
            if name not in read:
                yield Problem(f"nothing reads `{name}`")


def examples_match(program: Program) -> Iterator[Problem]:
    """There is an example of every input's dtype, with dynamic axes of at least 2, which tracing keeps dynamic."""
    for item in program.inputs:
        example = program.example.get(item.name)
        if example is None:
            yield Problem(f"input `{item.name}` has no example")
            continue
        if example.dtype != item.dtype:
            yield Problem(f"the example of `{item.name}` is {example.dtype}, the input {item.dtype}")
        for axis, label in item.axes.items():
            if not 0 <= axis < example.dim():
                yield Problem(f"the example of `{item.name}` has no axis {axis} ({label})")
            elif example.shape[axis] < 2:
                yield Problem(f"the example of `{item.name}` has size {example.shape[axis]} on axis {axis} ({label})")


def shapes_propagate(program: Program) -> Iterator[Problem]:
    """The graph runs on the example inputs, as far as shapes and dtypes go.

    From an operator whose output shape depends on data, nothing more can be told without data.
    """
    failure = Shapes.of(program).failure()
    if failure is not None:
        names = {node.name: node for node in program.graph.nodes}
        yield Problem(f"`{failure.node.name}` cannot run ({failure.why})", names[failure.node.name])


INVARIANTS: dict[str, Invariant] = {
    "the graph is sound": graph_is_sound,
    "inputs match the placeholders": inputs_match,
    "tensors resolve": tensors_resolve,
    "outputs match the graph": outputs_match,
    "calls are operators": calls_are_operators,
    "tensors are read": tensors_are_read,
    "examples match the inputs": examples_match,
    "shapes propagate": shapes_propagate,
}


def _is_allowed(target: object) -> bool:
    # Packages register operators of their own where ATen has none that traces, such as grouped products.
    if isinstance(target, torch._ops.OpOverload):
        return not target._schema.is_mutable or target.namespace == "aten"
    name = getattr(target, "__name__", "")
    return (
        getattr(operator, name, None) is target
        or getattr(math, name, None) is target
        or (name.startswith("sym_") and getattr(torch, name, None) is target)
    )


def _error(name: str, problems: list[Problem], program: Program) -> VerificationError:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    error = VerificationError(f"the program breaks '{name}': {problems[0].what}{more}", "mend the pass that made it")
    if problems[0].node is not None:
        error.add_note(excerpt(program.graph, problems[0].node))
    return error


def excerpt(graph: fx.Graph, node: fx.Node) -> str:
    """`node` as text, marked, with ten lines of the program either side."""
    nodes = [item for item in graph.nodes if item.op != "get_attr" or item is node]
    place = nodes.index(node)
    shown = nodes[max(0, place - CONTEXT_LINES) : place + CONTEXT_LINES + 1]
    return "\n".join(f"{'-->' if item is node else '   '} {_line(item)}" for item in shown)


def _line(node: fx.Node) -> str:
    if node.op in ("call_function", "output"):
        return node_text(node)
    return f"%{node.name} = {node.op} {node.target}"
