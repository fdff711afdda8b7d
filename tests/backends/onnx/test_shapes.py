"""Sizes in terms of axes, from what a few runs on shapes alone show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from prunec.backends.onnx.shapes import UnknownShapes, fit, outline, symbolic_shapes
from prunec.backends.quiet import quiet
from prunec.ir.nodes import function
from tests.programs import program_from_module

SETTINGS = [{"batch": 40, "sequence": 53}, {"batch": 57, "sequence": 31}, {"batch": 33, "sequence": 47},
            {"batch": 2, "sequence": 7}]  # fmt: skip
AXES = {"x": {0: "batch", 1: "sequence"}}


@given(st.sampled_from([("batch",), ("sequence",), ("batch", "sequence")]), st.integers(1, 9), st.integers(-5, 5))
def test_a_multiple_of_axes_plus_a_constant_is_found(axes: tuple[str, ...], factor: int, offset: int) -> None:
    sizes = [factor * torch.tensor([setting[axis] for axis in axes]).prod().item() + offset for setting in SETTINGS]
    assert fit([int(size) for size in sizes], SETTINGS) == (factor, axes, offset)


def test_what_never_changes_is_a_number() -> None:
    assert fit([12, 12, 12, 12], SETTINGS) == (0, (), 12)


@pytest.mark.parametrize(
    "sizes",
    [[s["batch"] + s["sequence"] for s in SETTINGS], [min(s["sequence"], 40) for s in SETTINGS],
     [s["sequence"] // 2 for s in SETTINGS]],
)  # fmt: skip
def test_what_fits_nothing_stays_unknown(sizes: list[int]) -> None:
    assert fit(sizes, SETTINGS) is None


class Moves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Buffer(torch.rand(100, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        padded = nn.functional.pad(x, (0, 0, 0, 2))
        return padded, x.flatten(0, 1), x[:, ::2], x + self.table[: x.shape[1]], *x.split(2, -1)


def test_every_value_of_a_program_is_described() -> None:
    program = program_from_module(Moves(), {"x": torch.rand(2, 5, 4)}, AXES)
    with quiet():
        shapes = symbolic_shapes(program)
    names = {symbol: name[0] for symbol, name in shapes.axes.items()}
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    described = []
    for node in outputs:
        sizes = [str(size) for size in shapes.values[node].shape]
        described.append([names.get(size, size) for size in sizes])
    b, s = sorted(names, key=names.__getitem__)
    assert described[0] == ["b", f"{s} + 2", "4"]
    assert described[1] in ([f"{b}*{s}", "4"], [f"{s}*{b}", "4"])
    assert described[2][1].startswith("s")  # (sequence + 1) // 2: unknown
    assert described[2][1] not in names.values()
    assert described[3:] == [["b", "s", "4"], ["b", "s", "2"], ["b", "s", "2"]]


class Halves(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x[:, ::2], x[:, ::2] + 1, x[:, ::3]


def test_unknown_sizes_are_told_apart_and_equal_ones_are_one_symbol() -> None:
    program = program_from_module(Halves(), {"x": torch.rand(2, 5, 4)}, AXES)
    with quiet():
        shapes = symbolic_shapes(program)
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    halves, more, thirds = (str(shapes.values[node].shape[1]) for node in outputs)
    assert halves == more != thirds


class Doubles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0]


def test_sizes_that_depend_on_data_are_said_so() -> None:
    program = program_from_module(Doubles(), {"x": torch.rand(3, 2)}, {"x": {0: "batch"}})
    with quiet(), pytest.raises(UnknownShapes):
        symbolic_shapes(program)


class Layers(nn.Module):
    """Layers of one shape, and one whose weight lies the other way."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(5))
        self.layers[4].weight = nn.Parameter(torch.rand(4, 4).T)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return x


def test_layers_that_repeat_others_are_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_from_module(Layers(), {"x": torch.rand(2, 5, 4)}, AXES)
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert len(calls) == 10
    run = list[fx.Node]()

    def counted(node: fx.Node) -> Callable[..., Any]:
        run.append(node)
        return function(node)

    monkeypatch.setattr("prunec.backends.onnx.shapes.function", counted)
    shapes = symbolic_shapes(program)
    settings = 4
    assert len(run) == settings * (2 + 1)  # a layer's two calls, and the product with the weight that lies otherwise
    described = {str(shapes.values[node].shape) for node in program.graph.nodes if node.op == "call_function"}
    assert len(described) == 1


def test_stored_numbers_are_not_taken_for_each_other() -> None:
    two, three = torch.tensor(2), torch.tensor(3)
    assert outline(two) != outline(three)
    assert outline(torch.rand(3, 2)) == outline(torch.rand(3, 2)) != outline(torch.rand(2, 3).T)
    assert outline([1, None]) != outline([True, None])
