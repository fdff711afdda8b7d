"""Attentions and feed-forwards are found in the graph alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunec.facts import Structure
from tests.programs import program_from_module
from tests.zoo.anatomy import Place, places


class Block(nn.Module):
    """One residual attention, fused or spelt out, and one residual feed-forward."""

    def __init__(self, fused: bool, gated: bool, heads: int = 2) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.up, self.gate, self.down = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)
        self.norm = nn.LayerNorm(8)
        self.fused, self.gated, self.heads = fused, gated, heads

    def forward(self, x: Tensor) -> Tensor:
        layers = (self.query, self.key, self.value)
        q, k, v = (layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in layers)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-1, -2) / 2).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).flatten(-2))
        h = self.norm(x)
        inner = functional.silu(self.gate(h)) * self.up(h) if self.gated else gelu(self.up(h))
        result: Tensor = x + self.down(inner)
        return result


def gelu(x: Tensor) -> Tensor:
    """The approximation, spelt out as many models do: it adds two values of one projection."""
    return 0.5 * x * (1.0 + torch.tanh(0.8 * (x + 0.04 * x**3)))


def found(module: nn.Module) -> list[Place]:
    return places(program_from_module(module, {"x": torch.randn(2, 5, 8)}, {"x": {0: "batch"}}))


def test_a_fused_attention_and_a_gated_feed_forward() -> None:
    attention, ffn = found(Block(fused=True, gated=True))
    assert (attention.kind, ffn.kind) == ("attention", "ffn")
    assert {"query.weight", "key.weight", "value.weight"} <= set(attention.before)
    assert (ffn.before[0], ffn.after[0]) == ("gate.weight", "down.weight")
    assert [len(place.joins) for place in (attention, ffn)] == [1, 1]


def test_an_attention_and_a_nonlinearity_that_are_spelt_out() -> None:
    attention, ffn = found(Block(fused=False, gated=False))
    assert (attention.kind, ffn.kind) == ("attention", "ffn")
    assert {"query.weight", "key.weight", "value.weight"} <= set(attention.before)
    assert (ffn.before[0], ffn.after[0]) == ("up.weight", "down.weight")
    assert attention.joins != ffn.joins


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("heads", [1, 2])
def test_an_attention_of_one_head_needs_no_units(fused: bool, heads: int) -> None:
    attention, _ = found(Block(fused=fused, gated=False, heads=heads))
    assert attention.has_units(Structure((), ())) is (heads == 1)


class Neither(nn.Module):
    """A softmax over classes, and a nonlinearity behind a norm: no attention and no feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.second(self.norm(self.first(x)).relu())
        return hidden.softmax(-1)


def test_what_only_looks_like_either_is_neither() -> None:
    assert found(Neither()) == []


class Joins(nn.Module):
    """One feed-forward, added to its input, to a part or a multiple of it, beside another, or to a point it refines."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.first, self.up, self.down, self.point = (nn.Linear(8, 8) for _ in range(4))
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        result: Tensor = self.down(self.up(x).relu())
        if self.way == "point":
            refined: Tensor = torch.sigmoid(result + torch.log(self.point(x).exp()))
            return refined
        others = {"itself": x, "part": x[:, :1], "multiple": x * 0.5, "sum": x + self.point(x).sin()}
        joined: Tensor = result + others[self.way]
        return joined


@pytest.mark.parametrize(("way", "count"), [("itself", 1), ("part", 1), ("multiple", 1), ("sum", 1), ("point", 0)])
def test_a_result_joins_what_it_is_computed_from(way: str, count: int) -> None:
    (place,) = [item for item in found(Joins(way)) if item.kind == "ffn"]
    assert len(place.joins) == count


class Gated(nn.Module):
    """An attention of linear scores whose result is scaled by a gate, before its last projection."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.gate, self.out = (nn.Linear(8, 8) for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.query(x) @ self.key(x).transpose(-1, -2) @ self.value(x)
        result: Tensor = x + self.out(mixed * functional.silu(self.gate(x)))
        return result


def test_a_gate_of_what_is_mixed_over_tokens_is_no_feed_forward() -> None:
    assert found(Gated()) == []
