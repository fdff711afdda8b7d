"""Units over which means run: they go, and count as zeros in the means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import fx

from prunec.facts import ADDITIVE, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.ir.sketch import Sketch
from tests.passes.golden import TOLERANCE, alone, deviation

aten = torch.ops.aten


def structure_of(program: Program, *kinds: str) -> Structure:
    (structure,) = StructurePass(kinds or ADDITIVE).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def root_mean_square(sketch: Sketch, x: fx.Node) -> fx.Node:
    """The norm over the last axis, spelt out."""
    mean = sketch(aten.mean.dim, sketch(aten.pow.Tensor_Scalar, x, 2), [-1], True)
    return sketch(aten.mul.Tensor, x, sketch(aten.rsqrt.default, sketch(aten.add.Tensor, mean, 1e-5)))


def centred(sketch: Sketch, x: fx.Node) -> fx.Node:
    """Centring and scaling over the last axis, spelt out."""
    return root_mean_square(sketch, sketch(aten.sub.Tensor, x, sketch(aten.mean.dim, x, [-1], True)))


def fused(sketch: Sketch, x: fx.Node) -> fx.Node:
    """The norm over the last axis in one operator, without a number to add."""
    return sketch(aten.rms_norm.default, x, [6])


def feed_forward(*norms: object) -> Program:
    """Six neurons under norms one after the other."""
    sketch = Sketch()
    rows = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    for norm in norms:
        rows = norm(sketch, rows)  # type: ignore[operator]
    return sketch.program(sketch.linear("down.weight", rows, 2, 6))


def assert_golden(program: Program, *kinds: str) -> Structure:
    """That every family of some kinds can go in part; the structure."""
    structure = structure_of(program, *kinds)
    for plan in (plan for family in structure.families for plan in alone(family)):
        assert deviation(program, structure, plan, program.example) < TOLERANCE
    return structure


def test_neurons_under_a_mean_are_masked_in_it() -> None:
    (family,) = assert_golden(feed_forward(root_mean_square)).families
    assert (family.kind, family.units, len(family.sites)) == ("neuron", 6, 1)
    assert [(point.node, point.argument, point.axis, point.absent) for point in family.points] == [
        ("mean_dim", 0, -1, None)
    ]


def test_neurons_under_norms_spelt_out_and_fused_go() -> None:
    (family,) = assert_golden(feed_forward(centred, fused, root_mean_square)).families
    assert [point.node for point in family.points] == ["mean_dim", "mean_dim_1", "rms_norm_default", "mean_dim_2"]


def attention(*, key_norm: bool) -> Program:
    """Two heads of three dims, queries (and keys) under a norm over all heads; values under one a head."""
    sketch = Sketch()
    x = sketch.input("x", 2, 5, 4)
    rows = {name: sketch.linear(f"{name}.weight", x, 6, 4) for name in "qkv"}
    rows["q"] = root_mean_square(sketch, rows["q"])
    rows["k"] = root_mean_square(sketch, rows["k"]) if key_norm else rows["k"]
    heads = [
        sketch(aten.transpose.int, sketch(aten.reshape.default, item, [2, 5, 2, 3]), 1, 2) for item in rows.values()
    ]
    heads[2] = root_mean_square(sketch, heads[2])
    mixed = sketch(aten.scaled_dot_product_attention.default, *heads)
    joined = sketch(aten.reshape.default, sketch(aten.transpose.int, mixed, 1, 2), [2, 5, 6])
    return sketch.program(sketch.linear("o.weight", joined, 4, 6))


def test_heads_under_a_mean_over_all_of_them_go() -> None:
    (family,) = assert_golden(attention(key_norm=True)).families
    assert (family.kind, family.units) == ("head", 2)
    assert [point.node for point in family.points] == ["mean_dim", "mean_dim_1"]
    assert all(point.unit_of.tolist() == [0, 0, 0, 1, 1, 1] for point in family.points)


def test_value_dims_under_a_mean_in_each_head_go() -> None:
    (family,) = assert_golden(attention(key_norm=False), "vo_dim").families
    assert (family.units, [point.node for point in family.points]) == (3, ["mean_dim_1"])
    np.testing.assert_array_equal(family.points[0].unit_of, [0, 1, 2])


def test_units_that_a_mean_finds_along_two_axes_stay_and_are_told() -> None:
    sketch = Sketch()
    rows = sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4)
    pairs = sketch(aten.reshape.default, rows, [5, 2, 3])
    mean = sketch(aten.mean.dim, pairs, [1, 2], True)
    flat = sketch(aten.reshape.default, sketch(aten.mul.Tensor, pairs, mean), [5, 6])
    structure = structure_of(sketch.program(sketch.linear("down.weight", flat, 2, 6)))
    assert structure.families == ()
    assert structure.pins[0].why == "6 units: mean_dim takes means over which they lie along more than one axis"


def test_a_sum_holds_what_a_mean_lets_go() -> None:
    sketch = Sketch()
    rows = root_mean_square(sketch, sketch.linear("up.weight", sketch.input("x", 5, 4), 6, 4))
    rows = sketch(aten.softmax.int, rows, -1)
    structure = structure_of(sketch.program(sketch.linear("down.weight", rows, 2, 6)))
    assert structure.families == ()
    assert [pin.why for pin in structure.pins] == ["softmax_int (aten.softmax.int) sums over all of them"]


def test_an_attention_with_a_bottleneck_before_it_is_no_block() -> None:
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 2, 5, 4), 4, 4)
    narrow = root_mean_square(sketch, sketch.linear("q_a.weight", x, 3, 4))
    rows = [sketch.linear("q.weight", narrow, 6, 3), *(sketch.linear(f"{name}.weight", x, 6, 4) for name in "kv")]
    heads = [sketch(aten.transpose.int, sketch(aten.reshape.default, item, [2, 5, 2, 3]), 1, 2) for item in rows]
    mixed = sketch(aten.scaled_dot_product_attention.default, *heads)
    joined = sketch(aten.reshape.default, sketch(aten.transpose.int, mixed, 1, 2), [2, 5, 6])
    total = sketch(aten.add.Tensor, x, sketch.linear("o.weight", joined, 4, 6))
    structure = assert_golden(sketch.program(sketch.linear("head.weight", total, 3, 4)))
    assert [(item.kind, item.families) for item in structure.sublayers] == [("attention", ("q", "o"))]
