"""Calls on stored tensors that can be told by now: weights read as matrices, positions that are a range."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

aten = torch.ops.aten


def settle_stored(graph: fx.Graph, tensors: dict[str, Tensor]) -> None:
    """Store weights with the axes that are read as one, and spell stored positions in a row as a slice.

    Works in place. Tensors go on sharing memory where their layout lets them.
    """
    for node in list(graph.nodes):
        if node.op == "get_attr" and node.target in tensors:
            _store_as_read(graph, node, tensors)
        elif node.op == "call_function" and node.target is aten.index.Tensor:
            _slice(graph, node, tensors)
    graph.eliminate_dead_code()
    for name in tensors.keys() - {node.target for node in graph.nodes if node.op == "get_attr"}:
        del tensors[name]


def _store_as_read(graph: fx.Graph, node: fx.Node, tensors: dict[str, Tensor]) -> None:
    """Reshape a tensor that all of its readers join axes of, in the same way."""
    name, readers = str(node.target), list(node.users)
    tensor = tensors[name]
    shapes = [_shape(reader) for reader in readers]
    shape = shapes[0] if shapes else None
    if shape is None or any(other != shape for other in shapes) or len(shape) >= tensor.dim():
        return
    joined = tensor.detach().reshape(shape)
    tensors[name] = nn.Parameter(joined, requires_grad=False) if isinstance(tensor, nn.Parameter) else joined
    for reader in readers:
        reader.replace_all_uses_with(node)
        graph.erase_node(reader)


def _shape(reader: fx.Node) -> list[int] | None:
    """The literal shape that a reshape gives; None for other calls."""
    sizes: Any = reader.args[1] if reader.target is aten.reshape.default else None
    if not isinstance(sizes, (list, tuple)) or not all(isinstance(size, int) and size >= 0 for size in sizes):
        return None
    return [int(size) for size in sizes]


def _slice(graph: fx.Graph, node: fx.Node, tensors: dict[str, Tensor]) -> None:
    """Spell an index by one line of stored positions, each one more than that before, as a slice."""
    source, indices = node.args
    assert isinstance(source, fx.Node)
    assert isinstance(indices, (list, tuple))
    ((axis, given), *more) = [(axis, item) for axis, item in enumerate(indices) if item is not None]
    positions = tensors.get(str(given.target)) if isinstance(given, fx.Node) and given.op == "get_attr" else None
    size = source.meta["val"].shape[axis] if "val" in source.meta else None
    if more or positions is None or positions.dim() != 1 or positions.is_floating_point() or not isinstance(size, int):
        return
    if positions.dtype == torch.bool or positions.is_meta:
        return
    places = [int(place) % size for place in positions.tolist()]
    if not places or places != list(range(places[0], places[0] + len(places))):
        return
    with graph.inserting_before(node):
        part = graph.call_function(aten.slice.Tensor, (source, axis, places[0], places[-1] + 1))
    part.meta = dict(node.meta)
    node.replace_all_uses_with(part)
    graph.erase_node(node)
