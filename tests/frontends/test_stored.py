"""Stored tensors are kept as they are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from prunec.frontends.stored import settle_stored

aten = torch.ops.aten
Read = Callable[[fx.Graph, fx.Node], fx.Node]


def settled(tensor: Tensor, *reads: Read) -> tuple[list[str], dict[str, Tensor]]:
    """The operators and tensors left of a graph that reads one tensor, after checking its values."""
    graph = fx.Graph()
    stored = graph.get_attr("stored")
    stored.meta["val"] = tensor
    graph.output(tuple(read(graph, stored) for read in reads))
    tensors = {"stored": tensor, "places": torch.tensor([2, -1]), "apart": torch.tensor([0, 2])}
    before = fx.GraphModule(dict(tensors), graph, "Before")()
    settle_stored(graph, tensors)
    torch.testing.assert_close(fx.GraphModule(dict(tensors), graph, "After")(), before)
    return [str(node.target) for node in graph.nodes if node.op == "call_function"], tensors


def reshaped(*shape: int) -> Read:
    return lambda graph, stored: graph.call_function(aten.reshape.default, (stored, list(shape)))


def indexed(name: str) -> Read:
    return lambda graph, stored: graph.call_function(aten.index.Tensor, (stored, [None, graph.get_attr(name)]))


def test_a_weight_that_is_read_as_a_matrix_is_stored_as_one() -> None:
    weight = nn.Parameter(torch.randn(5, 2, 3))
    left, tensors = settled(weight, reshaped(5, 6), reshaped(5, 6))
    assert left == []
    assert tensors["stored"].shape == (5, 6)
    assert isinstance(tensors["stored"], nn.Parameter)
    assert tensors["stored"].data_ptr() == weight.data_ptr()


@pytest.mark.parametrize("reads", [(reshaped(5, 6), reshaped(10, 3)), (reshaped(5, 2, 3, 1),)])
def test_a_weight_that_is_read_otherwise_stays(reads: tuple[Read, ...]) -> None:
    left, tensors = settled(torch.randn(5, 2, 3), *reads)
    assert left == ["aten.reshape.default"] * len(reads)
    assert tensors["stored"].shape == (5, 2, 3)


def test_stored_positions_in_a_row_are_a_slice() -> None:
    left, tensors = settled(torch.randn(3, 4), indexed("places"))
    assert left == ["aten.slice.Tensor"]
    assert set(tensors) == {"stored"}


def test_positions_apart_stay() -> None:
    left, _ = settled(torch.randn(3, 4), indexed("apart"))
    assert left == ["aten.index.Tensor"]
