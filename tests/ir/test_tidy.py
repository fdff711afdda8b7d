"""Tidying removes what computes nothing and changes no value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.export import Dim
from torch.nn import functional

from prunec.ir.tidy import tidy

aten = torch.ops.aten


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def tidied(function: Callable[[Tensor], Tensor], example: Tensor) -> list[str]:
    """The operators left of `function`, after checking that its value is the same at another size."""
    shapes = {"x": {0: Dim.AUTO, 1: Dim.AUTO}}
    exported = torch.export.export(Function(function), (), {"x": example}, dynamic_shapes=shapes)
    graph = exported.graph_module.graph
    tidy(graph)
    module = fx.GraphModule({}, graph)
    other = torch.cat([example, example])
    torch.testing.assert_close(module(other)[0], function(other))
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


FLOATS, INTEGERS = torch.randn(3, 4), torch.arange(12).reshape(3, 4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.contiguous().neg(),
        lambda x: x.to(torch.float32).neg(),
        lambda x: x.clone().detach().neg(),
        lambda x: x[:].neg(),
        lambda x: x[:, 0:].neg(),
        lambda x: nn.functional.dropout(x, 0.5, training=False).neg(),
        lambda x: x.expand(x.shape[0], x.shape[1]).neg(),
        lambda x: x.reshape(x.shape).neg(),
        lambda x: (x * 1.0).neg(),
        lambda x: (x / 1).neg(),
        lambda x: (x.exp(), x.neg())[1],
        lambda x: (functional.scaled_dot_product_attention(x, x, x), x.neg())[1],
    ],
)
def test_what_computes_nothing_goes(function: Callable[[Tensor], Tensor]) -> None:
    assert [name for name in tidied(function, FLOATS) if "sym_size" not in name] == ["aten.neg.default"]


def test_an_attention_that_draws_random_numbers_stays_although_nothing_reads_it() -> None:
    left = tidied(lambda x: (functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5), x.neg())[1], FLOATS)
    assert "aten.scaled_dot_product_attention.default" in left


def test_adding_zero_goes_for_integers_only() -> None:
    assert tidied(lambda x: (x + 0).neg(), INTEGERS) == ["aten.neg.default"]
    assert tidied(lambda x: (x + 0.0).neg(), FLOATS) == ["aten.add.Tensor", "aten.neg.default"]


@pytest.mark.parametrize("function", [lambda x: x * 2, lambda x: x[:, 1:], lambda x: x[:, ::2], lambda x: x[:, :2]])
def test_what_computes_something_stays(function: Callable[[Tensor], Tensor]) -> None:
    assert len(tidied(function, FLOATS)) == 1


def test_a_cast_that_changes_the_type_stays() -> None:
    assert tidied(lambda x: x.to(torch.float64), FLOATS) == ["aten._to_copy.default"]


def test_arithmetic_that_changes_the_type_stays() -> None:
    assert tidied(lambda x: x * 1.0, INTEGERS) == ["aten.mul.Tensor"]


def test_an_expansion_that_repeats_stays() -> None:
    names = tidied(lambda x: x.sum(1, keepdim=True).expand(x.shape[0], 4), FLOATS)
    assert "aten.expand.default" in names


def test_one_spelling_of_an_operator() -> None:
    assert tidied(lambda x: x & (x | 3), INTEGERS) == ["aten.bitwise_or.Scalar", "aten.bitwise_and.Tensor"]
    assert "aten.reshape.default" in tidied(lambda x: x.view(-1), FLOATS)


def test_copies_stay_beside_writes_in_place() -> None:
    def write(x: Tensor) -> Tensor:
        copy = x.clone()
        copy.add_(1)
        return copy + x

    assert "aten.clone.default" in tidied(write, FLOATS)


def test_without_types_nothing_is_assumed() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(aten.to.dtype, (x, torch.float32)),))
    tidy(graph)
    assert sum(node.op == "call_function" for node in graph.nodes) == 1
