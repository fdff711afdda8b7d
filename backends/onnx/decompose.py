"""Calls that torch's ONNX library does not know, put as calls that it knows: one by one, on shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

Table = Mapping[Any, Callable[..., Any]]


def decompose(node: fx.Node, table: Table, mode: FakeTensorMode) -> None:
    """Put the calls that `node` comes to in its place, each with its value in `meta["val"]`.

    Args:
        node: a call of an operator; the values of its arguments are in their `meta["val"]`.
        table: decompositions, by operator; operators that PyTorch itself puts together from others need none.
        mode: that of the graph's fake tensors.
    """
    sources = node.all_input_nodes
    values = [_stand_in(source.meta["val"], mode) for source in sources]

    def call(*given: Any) -> Any:
        env = dict(zip(sources, given, strict=True))
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), env.__getitem__)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    with mode, torch.no_grad():
        traced = make_fx(call, decomposition_table=dict(table))(*values)
    _inline(traced, node, dict(zip(traced.graph.find_nodes(op="placeholder"), sources, strict=True)))


def constant(node: fx.Node) -> Tensor | None:
    """The value of `node`, where no input of the graph and no chance has a part in it."""
    known: dict[fx.Node, Any] = {}
    for source in _before(node):
        if source.op == "get_attr":
            known[source] = source.meta["val"]
        elif source.op != "call_function" or not _is_certain(source):
            return None
        else:
            args, kwargs = fx.node.map_arg((source.args, source.kwargs), known.__getitem__)
            with torch.no_grad():
                known[source] = source.target(*args, **kwargs)  # type: ignore[operator]
    return known[node] if isinstance(known[node], Tensor) else None


def _before(node: fx.Node) -> list[fx.Node]:
    """`node` and all that it is computed from, in graph order."""
    needed, stack = set[fx.Node](), [node]
    while stack:
        source = stack.pop()
        if source not in needed:
            needed.add(source)
            stack.extend(source.all_input_nodes)
    return [source for source in node.graph.nodes if source in needed]


def _is_certain(node: fx.Node) -> bool:
    tags = getattr(node.target, "tags", ())
    return torch.Tag.nondeterministic_seeded not in tags


def read(node: fx.Node, value: Tensor) -> None:
    """Put a tensor with `value` in the place of `node`, under its name."""
    with node.graph.inserting_before(node):
        tensor = node.graph.create_node("get_attr", node.name)
    tensor.meta = {"val": value}
    node.replace_all_uses_with(tensor)
    node.graph.erase_node(node)


def _stand_in(value: Any, mode: FakeTensorMode) -> Any:
    """A tensor of its own for each source: values of one shape share one, and tracing tells tensors by identity."""
    if not isinstance(value, Tensor):
        return value
    with mode:
        return torch.empty(value.shape, dtype=value.dtype)


def _inline(traced: fx.GraphModule, node: fx.Node, copies: dict[fx.Node, fx.Node]) -> None:
    """Copy the calls of `traced` before `node`, and let its readers read their result."""
    graph = node.graph
    with graph.inserting_before(node):
        for inner in traced.graph.nodes:
            if inner.op == "output":
                _replace(node, fx.node.map_arg(inner.args[0], copies.__getitem__))
            elif inner.op != "placeholder":
                copies[inner] = graph.node_copy(inner, copies.__getitem__)
                copies[inner].meta = {"val": _value(inner, traced)}
    graph.erase_node(node)


def _value(inner: fx.Node, traced: fx.GraphModule) -> Any:
    return getattr(traced, str(inner.target)) if inner.op == "get_attr" else inner.meta["val"]


def _replace(node: fx.Node, result: Any) -> None:
    if isinstance(result, fx.Node):
        node.replace_all_uses_with(result)
        return
    for user in list(node.users):  # each takes one of several results
        user.replace_all_uses_with(result[user.args[1]])
        node.graph.erase_node(user)
