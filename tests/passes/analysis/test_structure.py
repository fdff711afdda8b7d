"""What the structure pass finds, and what it says of the rest."""

from __future__ import annotations

import operator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from prunec.facts import Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.ir.sketch import Sketch
from tests.passes.cases import Case
from tests.passes.golden import TOLERANCE, deviation

aten = torch.ops.aten


def structure_of(program: Program) -> Structure:
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def gated(sketch: Sketch, x: fx.Node, name: str = "mlp") -> fx.Node:
    """A gated feed-forward of six neurons over four features."""
    gate = sketch(aten.silu.default, sketch.linear(f"{name}.gate.weight", x, 6, 4))
    return sketch.linear(
        f"{name}.down.weight", sketch(aten.mul.Tensor, gate, sketch.linear(f"{name}.up.weight", x, 6, 4)), 4, 6
    )


def test_a_neuron_lies_in_gate_up_and_down() -> None:
    sketch = Sketch()
    (family,) = structure_of(sketch.program(gated(sketch, sketch.input("x", 5, 4)))).families
    assert (family.name, family.kind, family.units) == ("mlp.down", "neuron", 6)
    assert {(slot.tensor, slot.dim) for slot in family.slots} == {
        ("mlp.gate.weight", 0),
        ("mlp.up.weight", 0),
        ("mlp.down.weight", 1),
    }
    for slot in family.slots:
        assert slot.positions.tolist() == [[0], [1], [2], [3], [4], [5]]


def test_a_family_is_masked_where_its_output_is_read() -> None:
    sketch = Sketch()
    program = sketch.program(gated(sketch, sketch.input("x", 5, 4)))
    (family,) = structure_of(program).families
    site = next(node for node in program.graph.nodes if node.name == family.sites[0].node)
    assert site.args[1].target == family.sites[0].weight == "mlp.down.weight"
    assert (family.sites[0].argument, family.sites[0].dim) == (0, 1)
    assert family.sites[0].unit_of.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_kv_group_holds_all_that_goes_with_one_key(llama: Case) -> None:
    family = next(item for item in llama.structure.families if item.kind == "kv_group")
    rows = {slot.tensor.split(".")[-2]: slot.positions.shape for slot in family.slots}
    assert rows == {"q_proj": (2, 32), "k_proj": (2, 16), "v_proj": (2, 16), "o_proj": (2, 32)}
    queries = next(slot for slot in family.slots if "q_proj" in slot.tensor)
    np.testing.assert_array_equal(queries.positions, np.arange(64).reshape(2, 32))


def test_neurons_under_a_sum_over_all_of_them_stay() -> None:
    sketch = Sketch()
    hidden = sketch(aten.softmax.int, sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4), -1)
    assert structure_of(sketch.program(sketch.linear("down.weight", hidden, 4, 6))).families == ()


def test_neurons_that_are_returned_stay() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    assert structure_of(sketch.program(sketch.linear("down.weight", hidden, 4, 6), hidden)).families == ()


def test_units_may_be_read_twice() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    program = sketch.program(*(sketch.linear(f"down.{index}", hidden, 4, 6) for index in range(2)))
    (family,) = structure_of(program).families
    assert [site.weight for site in family.sites] == ["down.0", "down.1"]
    plan = Plan({family.name: (0, 5)})
    assert slim_program(program, structure_of(program), plan).tensor("down.1").shape == (4, 4)
    assert deviation(program, structure_of(program), plan, program.example) < TOLERANCE


def test_one_weight_may_read_units_twice() -> None:
    sketch = Sketch()
    up, down = sketch.weight("up.weight", 6, 4), sketch.weight("down.weight", 4, 6)
    x = sketch.input("x", 5, 4)
    for _ in range(2):
        x = sketch(aten.linear.default, sketch(aten.relu.default, sketch(aten.linear.default, x, up)), down)
    program = sketch.program(x)
    (family,) = structure_of(program).families
    assert (len(family.sites), list(family.readers())) == (2, ["down.weight"])
    assert deviation(program, structure_of(program), Plan({family.name: (1, 2)}), program.example) < TOLERANCE


def test_neurons_of_several_rows_that_one_matrix_reads_go_together() -> None:
    sketch = Sketch()
    x = sketch.input("x", 2, 5, 4, axes={0: "batch"})
    rows = sketch(aten.reshape.default, sketch.linear("up.weight", x, 12, 4), [-1, 5, 2, 6])
    longer = sketch(aten.reshape.default, sketch(aten.relu.default, rows), [-1, 10, 6])
    program = sketch.program(sketch.linear("down.weight", longer, 4, 6))
    structure = structure_of(program)
    (family,) = structure.families
    assert (family.name, family.kind, family.units) == ("down", "neuron", 6)
    assert family.slots[0].positions.tolist() == [[unit, unit + 6] for unit in range(6)]
    assert deviation(program, structure, Plan({"down": (0, 3)}), program.example) < TOLERANCE


def test_parts_of_what_is_computed_for_several_layers_at_once_go_together() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    parts = sketch(aten.reshape.default, sketch.linear("all.weight", x, 12, 4), [5, 2, 6])
    scaled = sketch(aten.mul.Tensor, parts, sketch.weight("scale", 6))
    results = []
    for layer in range(2):
        part = sketch(aten.select.int, scaled, 1, layer)
        gate = sketch(aten.gelu.default, sketch.linear(f"gate.{layer}.weight", x, 6, 4))
        results.append(sketch.linear(f"down.{layer}.weight", sketch(aten.mul.Tensor, gate, part), 4, 6))
    program = sketch.program(*results)
    structure = structure_of(program)
    (family,) = structure.families
    assert [site.weight for site in family.sites] == ["down.0.weight", "down.1.weight"]
    assert deviation(program, structure, Plan({family.name: (1, 4)}), program.example) < TOLERANCE


def test_heads_of_a_state_that_keys_and_values_span() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    keys, queries = (
        sketch(aten.reshape.default, sketch.linear(f"{name}.weight", x, 6, 4), shape)
        for name, shape in (("key", [5, 2, 3, 1]), ("query", [5, 2, 1, 3]))
    )
    values = sketch(aten.reshape.default, sketch.linear("value.weight", x, 8, 4), [5, 2, 1, 4])
    read = sketch(aten.matmul.default, queries, sketch(aten.mul.Tensor, keys, values))
    program = sketch.program(sketch.linear("out.weight", sketch(aten.reshape.default, read, [5, 8]), 4, 8))
    structure = structure_of(program)
    (family,) = (item for item in structure.families if item.kind == "head")
    assert {slot.tensor: slot.positions.shape for slot in family.slots} == {
        "key.weight": (2, 3), "query.weight": (2, 3), "value.weight": (2, 4), "out.weight": (2, 4)
    }  # fmt: skip
    assert deviation(program, structure, Plan({family.name: (0,)}), program.example) < TOLERANCE


def test_channels_of_a_convolution() -> None:
    sketch = Sketch()
    hidden = sketch(aten.conv1d.default, sketch.input("x", 2, 3, 8), sketch.weight("a", 6, 3, 1))
    program = sketch.program(sketch(aten.conv1d.default, hidden, sketch.weight("c", 4, 6, 3)))
    (family,) = structure_of(program).families
    assert (family.kind, family.units, family.sites[0].axis) == ("channel", 6, -2)
    assert deviation(program, structure_of(program), Plan({"c": (0, 3)}), program.example) < TOLERANCE


def test_an_operator_that_is_not_understood_is_told() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    scaled = sketch(aten.renorm.default, hidden, 2, 1, 1.0)
    structure = structure_of(sketch.program(sketch.linear("down.weight", scaled, 4, 6)))
    assert structure.families == ()
    assert [(pin.what, pin.why) for pin in structure.pins] == [
        ("renorm_default (aten.renorm.default)", "has an operator without a label rule")
    ]


def parted(*parts: fx.Node, sketch: Sketch) -> Program:
    """Two parts of one hidden value, each read by a weight of its own."""
    first, second = (
        sketch.linear(name, part, 4, 3) for name, part in zip(("a.weight", "b.weight"), parts, strict=True)
    )
    return sketch.program(sketch(aten.add.Tensor, first, second))


def test_units_of_equal_chunks_that_need_not_stay_equal_are_families_of_their_own() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    parts = sketch(aten.chunk.default, hidden, 2, -1)
    structure = structure_of(parted(*(sketch(operator.getitem, parts, at) for at in range(2)), sketch=sketch))
    assert [(family.name, family.units) for family in structure.families] == [("a", 3), ("b", 3)]


def test_units_that_lie_unevenly_over_a_view_are_pinned_and_told() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    rows = sketch(aten.view.default, hidden, [5, 2, 3])
    structure = structure_of(parted(*(sketch(aten.select.int, rows, 1, at) for at in range(2)), sketch=sketch))
    assert structure.families == ()
    assert any("is ragged" in pin.why for pin in structure.pins)


def test_a_residual_branch_is_a_sublayer_with_its_families() -> None:
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 5, 4), 4, 4)
    total = sketch(aten.add.Tensor, x, gated(sketch, x))
    (sublayer,) = structure_of(sketch.program(total)).sublayers
    assert (sublayer.name, sublayer.kind, sublayer.families) == ("mlp", "ffn", ("mlp.down",))
    assert (sublayer.add, sublayer.skip) == (total.name, x.name)


@pytest.mark.parametrize("turned", [False, True])
def test_branches_side_by_side_are_sublayers_each(turned: bool) -> None:
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 5, 4), 4, 4)
    first, second = gated(sketch, x, "one"), gated(sketch, x, "two")
    half = sketch(aten.add.Tensor, first, x) if turned else sketch(aten.add.Tensor, x, first)
    structure = structure_of(sketch.program(sketch(aten.add.Tensor, half, second)))
    assert [(item.name, item.families) for item in structure.sublayers] == [
        ("one", ("one.down",)),
        ("two", ("two.down",)),
    ]


def test_an_addition_with_a_factor_is_no_residual() -> None:
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 5, 4), 4, 4)
    assert structure_of(sketch.program(sketch(aten.add.Tensor, x, gated(sketch, x), alpha=2))).sublayers == ()


def test_weights_are_not_read(llama: Case) -> None:
    assert structure_of(llama.program).families[0].name == llama.structure.families[0].name
    blank = llama.with_tensors(
        **{
            name.replace(".", "__"): torch.full_like(t, float("nan"))
            for name, t in llama.program.tensors().items()
            if t.is_floating_point()
        }
    )
    assert [item.name for item in structure_of(blank.program).families] == [
        item.name for item in llama.structure.families
    ]


def test_a_value_whose_shape_depends_on_weights_without_numbers_ends_the_search_and_is_told() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    sketch(aten.nonzero.default, sketch.stored("table", torch.empty(5, device="meta")))
    structure = structure_of(sketch.program(gated(sketch, x)))
    assert structure.families == ()
    (pin,) = structure.pins
    assert "%nonzero_default = aten.nonzero.default(@table)" in pin.why


def test_a_bias_that_layers_add_to_is_no_residual_stream() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    stream = sketch.linear("first.weight", x, 4, 4)
    bias = sketch.weight("bias", 5, 5)
    for layer in "ab":
        scores = sketch(
            aten.matmul.default, sketch.linear(f"{layer}.q.weight", stream, 4, 4), sketch.input(f"k{layer}", 4, 5)
        )
        weights = sketch(aten.softmax.int, sketch(aten.add.Tensor, scores, bias), -1)
        mixed = sketch(aten.matmul.default, weights, stream)
        stream = sketch(aten.add.Tensor, stream, sketch.linear(f"{layer}.o.weight", mixed, 4, 4))
    skips = {item.skip for item in structure_of(sketch.program(stream)).sublayers}
    assert "bias" not in skips


def test_branches_side_by_side_start_from_one_place() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    stream = sketch.linear("first.weight", x, 4, 4)
    first = sketch(aten.add.Tensor, stream, gated(sketch, stream, "a"))
    both = sketch(aten.add.Tensor, first, gated(sketch, stream, "b"))
    one, two = structure_of(sketch.program(both)).sublayers
    assert (one.start, one.skip) == (stream.name, stream.name)
    assert (two.start, two.skip, two.families) == (stream.name, first.name, ("b.down",))


def test_a_scaled_stream_is_one_too() -> None:
    sketch = Sketch()
    stream = sketch.linear("first.weight", sketch.input("x", 5, 4), 4, 4)
    scaled = sketch(aten.mul.Tensor, stream, sketch.weight("scale", 4))
    program = sketch.program(sketch(aten.add.Tensor, scaled, gated(sketch, stream)))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    assert (sublayer.start, sublayer.skip, sublayer.families) == (stream.name, scaled.name, ("mlp.down",))
    assert deviation(program, structure, Plan({}, (sublayer.name,)), program.example) < TOLERANCE


def test_what_is_read_outside_too_is_in_no_sublayer_and_outlives_it() -> None:
    sketch = Sketch()
    stream = sketch.linear("first.weight", sketch.input("x", 5, 3), 4, 3)
    total = sketch(aten.add.Tensor, stream, gated(sketch, stream))
    program = sketch.program(sketch.linear("last.weight", total, 2, 4))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    wide = next(family for family in structure.families if family.units == 4)
    assert sublayer.families == ("mlp.down",)
    plan = Plan({wide.name: (0, 3)}, (sublayer.name,))
    assert deviation(program, structure, plan, program.example) < TOLERANCE


def test_what_a_branch_hands_on_to_another_outlives_it() -> None:
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 5, 4), 4, 4)
    narrow = sketch(aten.relu.default, sketch.linear("a.up.weight", x, 6, 4))
    handed = sketch(aten.sigmoid.default, sketch.linear("a.gate.weight", narrow, 4, 6))
    inner = sketch(aten.relu.default, sketch(aten.mul.Tensor, sketch.linear("a.down.weight", narrow, 4, 6), handed))
    total = sketch(aten.add.Tensor, x, inner)
    other = sketch(aten.mul.Tensor, sketch.linear("b.weight", total, 4, 4), handed)
    program = sketch.program(sketch.linear("head.weight", sketch(aten.add.Tensor, total, other), 2, 4))
    structure = structure_of(program)
    assert [item.name for item in structure.sublayers][:1] == ["a"]
    assert all("a.gate" not in item.families for item in structure.sublayers)
    plan = Plan({"a.gate": (0, 3)}, ("a",))
    assert deviation(program, structure, plan, program.example) < TOLERANCE


def test_units_that_only_a_sum_holds_are_told() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    normed = sketch(aten.layer_norm.default, hidden, [6])
    structure = structure_of(sketch.program(sketch.linear("down.weight", normed, 4, 6)))
    assert structure.families == ()
    assert [(pin.what, pin.why) for pin in structure.pins] == [
        ("6 units of down", "layer_norm_default (aten.layer_norm.default) sums over all of them")
    ]
