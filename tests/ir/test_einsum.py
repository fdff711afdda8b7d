"""Sums of products are spelled as matrix products of the same value."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.export import Dim

from prunec.ir.tidy import tidy


class Einsum(nn.Module):
    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.einsum(self.equation, x, y)


def spelled(equation: str, x: Tensor, y: Tensor) -> list[str]:
    """The operators left of an einsum, after checking its value for a longer first axis of `x`."""
    shapes = {"x": {0: Dim.AUTO}, "y": {0: Dim.AUTO}}
    graph = torch.export.export(Einsum(equation), (x, y), dynamic_shapes=shapes).graph_module.graph
    tidy(graph)
    module = fx.GraphModule({}, graph)
    left, _, right = equation.partition("->")[0].partition(",")
    other = [torch.cat([x, x]), torch.cat([y, y]) if right[0] == left[0] else y]
    torch.testing.assert_close(module(*other)[0], torch.einsum(equation, *other))
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    ("equation", "x", "y"),
    [
        ("bqhd,bkhd->bhqk", (3, 5, 2, 4), (3, 6, 2, 4)),
        ("bhqk,bkhd->bqhd", (3, 2, 5, 6), (3, 6, 2, 4)),
        ("ibh,hnd->ibnd", (3, 2, 5), (5, 2, 4)),
        ("ibnd,hnd->ibh", (3, 2, 2, 4), (5, 2, 4)),
        ("bij,bkjm->bimk", (3, 4, 5), (3, 2, 5, 6)),
        ("...ij,jk->...ik", (3, 2, 4, 5), (5, 6)),
    ],
)
def test_a_product_of_matrices_is_one(equation: str, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    left = spelled(equation, torch.randn(x), torch.randn(y))
    assert left.count("aten.matmul.default") == 1
    assert "aten.einsum.default" not in left


def test_a_product_that_sums_nothing_is_by_element() -> None:
    left = spelled("i,j->ij", torch.randn(3), torch.randn(4))
    assert [name for name in left if "unsqueeze" not in name] == ["aten.mul.Tensor"]


def test_axes_side_by_side_are_joined_before_they_are_moved() -> None:
    left = spelled("ibnd,hnd->ibh", torch.randn(3, 2, 2, 4), torch.randn(5, 2, 4))
    assert left.index("aten.reshape.default") < left.index("aten.permute.default")


@pytest.mark.parametrize(
    ("equation", "x", "y"),
    [("bij,jk->bk", (3, 4, 5), (5, 6)), ("bij,bjk->bik", (3, 4, 1), (3, 5, 6))],
)
def test_a_sum_over_one_operand_and_a_stretched_axis_stay(
    equation: str, x: tuple[int, ...], y: tuple[int, ...]
) -> None:
    assert spelled(equation, torch.randn(x), torch.randn(y)) == ["aten.einsum.default"]
