"""Programs as text: complete, short and stable."""

from __future__ import annotations

import operator

import torch
from torch import fx

from prunec.ir.program import Input, Program, Provenance, build_module
from prunec.ir.text import node_text, operator_name, to_text


def make_program() -> Program:
    """A matrix product in sequence chunks, with a size computed in the graph."""
    aten = torch.ops.aten
    graph = fx.Graph()
    x, weight = graph.placeholder("x"), graph.get_attr("layers.0.weight")
    half = graph.call_function(operator.floordiv, (graph.call_function(aten.sym_size.int, (x, 0)), 2))
    rows = graph.call_function(aten.slice.Tensor, (x, 0, 0, half))
    product = graph.call_function(aten.linear.default, (rows, weight))
    graph.output((graph.call_function(aten._to_copy.default, (product,), {"dtype": torch.float64}), product))
    return Program(
        build_module(graph, {"layers.0.weight": torch.ones(3, 4)}),
        (Input("x", torch.float32, {1: "width", 0: "batch"}),),
        ("wide", "plain"),
        {"x": torch.ones(2, 4)},
        Provenance("test", "Module", "none"),
    )


EXPECTED = """\
program {
  input %x: float32 (0=batch, 1=width)
  tensor @layers.0.weight: float32[3, 4]
  %sym_size_int = aten.sym_size.int(%x, 0)
  %floordiv = floordiv(%sym_size_int, 2)
  %slice_tensor = aten.slice.Tensor(%x, 0, 0, %floordiv)
  %linear_default = aten.linear.default(%slice_tensor, @layers.0.weight)
  %_to_copy_default = aten._to_copy.default(%linear_default, dtype=float64)
  output wide = %_to_copy_default
  output plain = %linear_default
}
"""


def test_a_program_prints_its_inputs_tensors_calls_and_outputs() -> None:
    assert to_text(make_program()) == EXPECTED


def test_two_equal_programs_print_alike_and_have_fingerprints_of_their_own() -> None:
    one, other = make_program(), make_program()
    assert one.text() == other.text()
    assert one.fingerprint() == one.fingerprint()
    assert one.fingerprint() != other.fingerprint()


def test_a_fingerprint_tells_a_tensor_changed_in_place() -> None:
    program = make_program()
    before = program.fingerprint()
    program.tensor("layers.0.weight").mul_(2)
    assert program.fingerprint() != before


def test_lists_of_nodes_are_printed_by_name() -> None:
    graph = fx.Graph()
    node = graph.call_function(torch.ops.aten.cat.default, ([graph.placeholder("a"), graph.get_attr("b")], 1))
    assert node_text(node) == "%cat_default = aten.cat.default([%a, @b], 1)"


def test_plain_functions_are_called_by_their_own_name() -> None:
    graph = fx.Graph()
    assert operator_name(graph.call_function(operator.mul, (1, 2))) == "mul"
    assert operator_name(graph.call_function(torch.sym_max, (1, 2))) == "sym_max"
