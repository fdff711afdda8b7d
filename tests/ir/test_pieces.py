"""Running, bypassing and cutting out parts of a program."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import fx

from prunec.ir.bypass import bypass, tensors_after
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.extract import extract
from prunec.ir.program import Program
from prunec.ir.text import signature
from tests.ir.sketch import Sketch

aten = torch.ops.aten


@pytest.fixture
def program() -> Program:
    """Two residual layers over `[batch, tokens, 4]`, the branch scaled by what the input `scale` holds."""
    sketch = Sketch()
    x = sketch.input("x", 2, 5, 4, axes={0: "batch", 1: "sequence"})
    scale = sketch(aten.exp.default, sketch.input("scale", 1, 1, 4))
    ids = sketch.input("ids", 2, 5, axes={0: "batch", 1: "sequence"})
    tokens = sketch(aten.sym_size.int, ids, 1)
    for layer in range(2):
        hidden = sketch(aten.relu.default, sketch.linear(f"layers.{layer}.up", x, 6, 4))
        back = sketch(aten.mul.Tensor, sketch.linear(f"layers.{layer}.down", hidden, 4, 6), scale)
        x = sketch(aten.add.Tensor, x, sketch(aten.reshape.default, back, [-1, tokens, 4]))
    return sketch.program(x)


def named(program: Program) -> dict[str, fx.Node]:
    return {node.name: node for node in program.graph.nodes}


class Log:
    """Which calls run."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls.append(node.name)
        return args, kwargs


def test_evaluates_what_is_asked_by_the_fewest_calls(program: Program) -> None:
    log, nodes = Log(), named(program)
    known = {nodes["relu_default"]: torch.ones(2, 5, 6)}
    found = evaluate(program, known, [nodes["linear_default_1"]], before_call=log)
    assert log.calls == ["linear_default_1"]
    torch.testing.assert_close(
        found[nodes["linear_default_1"]], torch.ones(2, 5, 6) @ program.tensor("layers.0.down").T
    )


def test_evaluates_the_whole(program: Program) -> None:
    (end,) = output_nodes(program)
    values = evaluate(program, input_values(program, program.example), [end])
    torch.testing.assert_close(values[end], program(program.example)["output_0"])


def test_drops_values_after_their_last_reader(program: Program) -> None:
    nodes = named(program)
    alive: list[weakref.ref[torch.Tensor]] = []
    at_end: list[bool] = []

    def watch(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node is nodes["linear_default_1"]:
            alive.append(weakref.ref(args[0]))
        if node is nodes["add_tensor_1"]:
            at_end.append(alive[0]() is None)
        return args, kwargs

    evaluate(program, input_values(program, program.example), output_nodes(program), before_call=watch)
    assert at_end == [True]


def test_a_bypassed_addition_is_its_skip(program: Program) -> None:
    slim = bypass(program, [("add_tensor_1", "add_tensor")])
    first = evaluate(program, input_values(program, program.example), [named(program)["add_tensor"]])
    torch.testing.assert_close(slim(program.example)["output_0"], *first.values())
    assert not any(name.startswith("layers.1.") for name in slim.tensor_names())


def test_a_chain_of_bypasses_leaves_the_input(program: Program) -> None:
    slim = bypass(program, [("add_tensor", "x"), ("add_tensor_1", "add_tensor")])
    torch.testing.assert_close(slim(program.example)["output_0"], program.example["x"])
    assert [node.op for node in slim.graph.nodes] == ["placeholder"] * 3 + ["output"]


@pytest.mark.parametrize("dropped", [1, 2])
def test_what_a_bypass_leaves_is_known_without_it(program: Program, dropped: int) -> None:
    additions = [("add_tensor", "x"), ("add_tensor_1", "add_tensor")][-dropped:]
    left = tensors_after(program, additions)
    assert left == set(bypass(program, additions).tensor_names())
    assert len(left) == 4 - 2 * dropped


def test_a_piece_gives_what_it_gives_in_the_whole(program: Program) -> None:
    inputs = {"x": torch.randn(3, 7, 4), "ids": torch.zeros(3, 7), "scale": program.example["scale"]}
    nodes = named(program)
    piece = extract(program, ["add_tensor"], "add_tensor_1", inputs)
    whole = evaluate(program, input_values(program, inputs), [nodes["add_tensor_1"]])
    torch.testing.assert_close(piece(piece.example)["add_tensor_1"], whole[nodes["add_tensor_1"]])


def test_a_piece_takes_what_it_reads_besides_as_inputs_and_sizes_as_literals(program: Program) -> None:
    piece = extract(program, ["add_tensor"], "add_tensor_1", program.example)
    assert {item.name for item in piece.inputs} == {"add_tensor", "exp_default"}
    assert set(piece.tensor_names()) == {"layers.1.up", "layers.1.down"}
    (reshape,) = (node for node in piece.graph.nodes if node.target is aten.reshape.default)
    assert reshape.args[1] == [-1, 5, 4]


def test_equal_layers_have_one_signature_and_other_shapes_another(program: Program) -> None:
    other = {**program.example, "x": torch.randn(2, 6, 4), "ids": torch.zeros(2, 6)}
    first = extract(program, ["x"], "add_tensor", program.example)
    second = extract(program, ["add_tensor"], "add_tensor_1", program.example)
    longer = extract(program, ["add_tensor"], "add_tensor_1", other)
    assert signature(first) == signature(second)
    assert signature(second) != signature(longer)


def test_what_a_piece_reads_of_given_tensors_is_computed_inside() -> None:
    sketch = Sketch()
    x = sketch.input("x", 2, 5, 4, axes={0: "batch"})
    bias = sketch(aten.exp.default, sketch.weight("table", 5, 4))
    for layer in range(2):
        branch = sketch(aten.add.Tensor, sketch.linear(f"layers.{layer}", x, 4, 4), bias)
        x = sketch(aten.add.Tensor, x, branch)
    program = sketch.program(x)
    inputs = {"x": torch.randn(3, 5, 4)}
    outside = extract(program, ["add_tensor_1"], x.name, inputs)
    inside = extract(program, ["add_tensor_1"], x.name, inputs, {"table", "layers.0", "layers.1"})
    assert [item.name for item in outside.inputs] == ["add_tensor_1", "exp_default"]
    assert [item.name for item in inside.inputs] == ["add_tensor_1"]
    assert set(inside.tensor_names()) == {"table", "layers.1"}
    torch.testing.assert_close(inside(inside.example)[x.name], outside(outside.example)[x.name])
