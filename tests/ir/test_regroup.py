"""Branches are added to what they start from one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.export import Dim

from prunec.ir.regroup import regroup

Function = Callable[[Tensor], Tensor]


class Calls(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def sums(function: Function) -> list[str]:
    """What each addition of the regrouped `function` adds, after checking that its value is the same."""
    example = torch.randn(3, 4)
    exported = torch.export.export(Calls(function), (), {"x": example}, dynamic_shapes={"x": {0: Dim.AUTO}})
    graph = exported.graph_module.graph
    regroup(graph)
    graph.lint()
    other = torch.randn(5, 4)
    torch.testing.assert_close(fx.GraphModule({}, graph)(other)[0], function(other))
    added = graph.find_nodes(op="call_function", target=torch.ops.aten.add.Tensor)
    return [" + ".join(item.name for item in node.all_input_nodes) for node in added]


@pytest.mark.parametrize("function", [lambda x: x + (x.sin() + x.cos()), lambda x: (x.sin() + x.cos()) + x])
def test_a_sum_of_two_branches_is_taken_apart(function: Function) -> None:
    assert sums(function) == ["x + sin", "add + cos"]


def test_a_sum_of_many_branches_is_taken_apart() -> None:
    assert sums(lambda x: x + ((x.sin() + x.cos()) + (x.tan() + x.exp()))) == [
        "x + sin",
        "add + cos",
        "add_1 + tan",
        "add_2 + exp",
    ]


def test_branches_stay_together_where_their_sum_is_read_elsewhere() -> None:
    def function(x: Tensor) -> Tensor:
        total = x.sin() + x.cos()
        return (x + total) * total

    assert sums(function) == ["sin + cos", "x + add"]


def test_what_is_not_computed_from_the_stream_stays_together() -> None:
    def function(x: Tensor) -> Tensor:
        stream = x.exp()
        return stream + (x.sin() + stream.cos())

    assert sums(function) == ["sin + cos", "exp + add"]


def test_what_would_broadcast_stays_together() -> None:
    assert sums(lambda x: x + (x.sum(1, keepdim=True) + x.mean(1, keepdim=True))) == ["sum_1 + mean", "x + add"]
