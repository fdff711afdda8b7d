"""Attention becomes one operator where its heads lie side by side, and computes what it did."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.cost.numerics import Numerics
from tests.backends.agreement import WORKLOAD, assert_agrees
from tests.programs import program_from_module

WIDTH, HEADS, SIZE = 12, 6, 4


class Layer(nn.Module):
    """Attention of `HEADS` heads in `groups`; values may be of another size, keys and values may follow cached ones."""

    def __init__(
        self, *, groups: int = HEADS, value_size: int = SIZE, causal: bool = False, apart: bool = False
    ) -> None:
        super().__init__()
        self.groups, self.causal, self.apart = groups, causal, apart
        self.query = nn.Linear(WIDTH, HEADS * SIZE)
        self.key = nn.Linear(WIDTH, groups * SIZE)
        self.value = nn.Linear(WIDTH, groups * value_size, bias=False)
        self.out = nn.Linear(HEADS * value_size, WIDTH)

    def forward(self, x: Tensor, mask: Tensor | None = None, past: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        batch, length, _ = x.shape
        query = self.query(x).view(batch, length, HEADS, -1).transpose(1, 2)
        key, value = (made(x).view(batch, length, self.groups, -1).transpose(1, 2) for made in (self.key, self.value))
        if past is not None:
            key, value = torch.cat([past, key], 2), torch.cat([past.neg(), value], 2)
        shared = self.groups < HEADS
        found = nn.functional.scaled_dot_product_attention(
            query, key, value, mask, is_causal=self.causal, enable_gqa=shared
        )
        if self.apart:
            return found
        result: Tensor = self.out(found.transpose(1, 2).reshape(batch, length, -1))
        return result if past is None else (result, key, value)


def rows(batch: int, length: int) -> dict[str, Tensor]:
    return {"x": torch.randn(batch, length, WIDTH)}


def masked(batch: int, length: int, heads: int = 1, total: int = 0) -> dict[str, Tensor]:
    """A mask, and a position that may attend to nothing in it."""
    mask = torch.rand(batch, heads, length, total or length) > 0.4
    mask[0, -1, 0] = False
    return rows(batch, length) | {"mask": mask}


def cached(batch: int, length: int, past: int, groups: int) -> dict[str, Tensor]:
    return masked(batch, length, total=past + length) | {"past": torch.randn(batch, groups, past, SIZE)}


AXES = {
    "x": {0: "batch", 1: "sequence"},
    "mask": {0: "batch", 2: "sequence", 3: "sequence"},
}
WITH_PAST = AXES | {"mask": {0: "batch", 2: "sequence", 3: "sequence + past"}, "past": {0: "batch", 2: "past"}}


def emitted(
    module: nn.Module,
    example: dict[str, Tensor],
    folder: Path,
    other: dict[str, Tensor],
    backend: OnnxBackend | None = None,
) -> Counter[str]:
    """The operators of the file, which gives what `module` does."""
    axes = WITH_PAST if "past" in example else {name: AXES[name] for name in example}
    program = program_from_module(module, example, axes)
    (backend or OnnxBackend()).emit(program, folder / "a.onnx")
    assert_agrees(OnnxBackend().load(folder / "a.onnx", WORKLOAD), program, other, 1e-5)
    return Counter(node.op_type for node in ir.load(folder / "a.onnx").graph)


@pytest.mark.parametrize(
    "options", [{}, {"groups": 2}, {"value_size": 3}, {"groups": 3, "value_size": 5}, {"causal": True}], ids=str
)
def test_one_operator_without_a_mask(options: dict[str, int], tmp_path: Path) -> None:
    found = emitted(Layer(**options), rows(2, 5), tmp_path, rows(3, 9))  # type: ignore[arg-type]
    assert found["Attention"] == 1
    assert found["Softmax"] == found["Transpose"] == 0


@pytest.mark.parametrize(("heads", "groups"), [(1, HEADS), (1, 2), (HEADS, HEADS), (HEADS, 2)])
def test_positions_that_attend_to_nothing_are_zero(heads: int, groups: int, tmp_path: Path) -> None:
    found = emitted(Layer(groups=groups), masked(2, 5, heads), tmp_path, masked(3, 9, heads))
    assert found["Attention"] == 1


@pytest.mark.parametrize("groups", [HEADS, 2])
@pytest.mark.parametrize("past", [0, 4])
def test_keys_and_values_are_handed_on(groups: int, past: int, tmp_path: Path) -> None:
    found = emitted(Layer(groups=groups), cached(2, 5, 3, groups), tmp_path, cached(3, 2, past, groups))
    assert found["Attention"] == 1
    assert found["Concat"] == 0


def test_older_operators_and_those_of_a_gpu_are_spelt_out(tmp_path: Path) -> None:
    for numerics, opset in ((Numerics(opset=22), 22), (Numerics(device="cuda"), 20)):
        found = emitted(Layer(), rows(2, 5), tmp_path, rows(3, 9), OnnxBackend(numerics=numerics))
        assert (found["Attention"], found["Softmax"]) == (0, 1)
        assert ir.load(tmp_path / "a.onnx").opset_imports[""] == opset


def test_heads_that_are_read_apart_are_spelt_out(tmp_path: Path) -> None:
    found = emitted(Layer(apart=True), rows(2, 5), tmp_path, rows(3, 9))
    assert (found["Attention"], found["Softmax"]) == (0, 1)


def test_keys_that_something_else_reads_joined_are_spelt_out(tmp_path: Path) -> None:
    class Summed(Layer):
        def forward(self, x: Tensor, mask: Tensor | None = None, past: Tensor | None = None) -> Tensor:
            result, key, value = super().forward(x, mask, past)
            total: Tensor = result + key.mean() + value.mean()
            return total

    found = emitted(Summed(), cached(2, 5, 3, HEADS), tmp_path, cached(3, 2, 4, HEADS))
    assert (found["Attention"], found["Softmax"]) == (0, 1)


def test_a_cache_that_holds_nothing_yet_is_left_out(tmp_path: Path) -> None:
    class First(Layer):
        def forward(self, x: Tensor, mask: Tensor | None = None, past: Tensor | None = None) -> Tensor:
            batch, length, _ = x.shape
            query, key, value = (
                made(x).view(batch, length, HEADS, -1).transpose(1, 2) for made in (self.query, self.key, self.value)
            )
            key, value = torch.cat([torch.tensor([]), key], -2), torch.cat([torch.tensor([]), value], -2)
            found = nn.functional.scaled_dot_product_attention(query, key, value)
            result: Tensor = self.out(found.transpose(1, 2).reshape(batch, length, -1))
            return result

    found = emitted(First(), rows(2, 5), tmp_path, rows(3, 9))
    assert (found["Attention"], found["Concat"]) == (1, 0)


def test_norms_of_heads_before_they_are_turned_stay(tmp_path: Path) -> None:
    class Normed(Layer):
        def forward(self, x: Tensor, mask: Tensor | None = None, past: Tensor | None = None) -> Tensor:
            heads = nn.functional.layer_norm(self.query(x).unflatten(-1, (HEADS, -1)), (SIZE,)).transpose(1, 2)
            key, value = (made(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for made in (self.key, self.value))
            found = nn.functional.scaled_dot_product_attention(heads, key, value)
            result: Tensor = self.out(found.transpose(1, 2).flatten(-2))
            return result

    found = emitted(Normed(), rows(2, 5), tmp_path, rows(3, 9))
    assert (found["Attention"], found["Transpose"]) == (1, 0)
