"""Tensors of equal elements are made as small as what reads them allows, and no value changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx
from torch.export import Dim
from torch.nn import functional

from prunec.ir.filled import spread_later
from tests.ir.test_tidy import Function

aten = torch.ops.aten
HEADS = 5


def first_sizes(function: Callable[[Tensor], Tensor]) -> list[object]:
    """The second size of each filled tensor, after checking that the value is the same at another length."""
    example, other = torch.randn(2, HEADS, 6, 4), torch.randn(2, HEADS, 7, 4)
    exported = torch.export.export(Function(function), (example,), dynamic_shapes={"x": {2: Dim.AUTO}})
    graph = exported.graph_module.graph
    spread_later(graph)
    graph.lint()
    torch.testing.assert_close(fx.GraphModule({}, graph)(other)[0], function(other))
    return [node.args[0][1] for node in graph.nodes if node.target in (aten.zeros.default, aten.full.default)]


def mask(x: Tensor, heads: int = HEADS) -> Tensor:
    tokens = x.shape[2]
    return torch.zeros(1, heads, tokens, tokens).masked_fill(torch.ones(tokens, tokens).triu(1).bool(), -1e9)


def test_a_mask_for_each_head_becomes_one_for_all_where_an_attention_reads_it() -> None:
    assert first_sizes(lambda x: functional.scaled_dot_product_attention(x, x, x, mask(x))) == [1]


def test_it_may_pass_through_what_repeats_nothing_along_that_axis() -> None:
    assert first_sizes(lambda x: (x @ x.transpose(2, 3) + (mask(x) + 1.5) * 2).softmax(-1)) == [1]


def test_several_readers_may_share_it() -> None:
    def twice(x: Tensor) -> Tensor:
        shared = mask(x)
        first = functional.scaled_dot_product_attention(x, x, x, shared)
        return functional.scaled_dot_product_attention(first, x, x, shared)

    assert first_sizes(twice) == [1]


@pytest.mark.parametrize(
    "reader",
    [
        lambda x: mask(x).reshape(HEADS, -1).sum() + x,  # needs the elements themselves
        lambda x: torch.full((1, HEADS, 1, 1), 0.5).expand(2, HEADS, 1, 1) @ x[:, :, :1, :1],  # no broadcast
        lambda x: functional.scaled_dot_product_attention(x, x, x, mask(x)) + mask(x).mean(),
    ],
)
def test_what_something_needs_as_it_is_stays(reader: Callable[[Tensor], Tensor]) -> None:
    assert HEADS in first_sizes(reader)


def test_an_output_keeps_its_size() -> None:
    assert first_sizes(lambda x: torch.full((1, HEADS, 1, 1), 0.5) + x[:, :1]) == [HEADS]


def test_without_types_nothing_is_assumed() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    made = graph.call_function(aten.zeros.default, ([1, 3],))
    graph.output(graph.call_function(aten.add.Tensor, (x, made)))
    spread_later(graph)
    assert made.args[0] == [1, 3]
