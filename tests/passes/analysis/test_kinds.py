"""Kinds of families beyond those that a compile removes: which there are, and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx

from prunec.catalogue import find_pass
from prunec.errors import InputError
from prunec.facts import ADDITIVE, KINDS, Family, Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from prunec.pipeline import parse, to_text
from tests.ir.sketch import Sketch
from tests.passes.cases import Case
from tests.passes.golden import TOLERANCE, alone, deviation

aten = torch.ops.aten


def structure_of(program: Program, *kinds: str) -> Structure:
    (structure,) = StructurePass(kinds).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def value_dims(program: Program) -> tuple[Family, ...]:
    return structure_of(program, "vo_dim").families


def attention(key: str = "k.weight", fused: bool = False) -> Program:
    """Two heads of three dims over four features; the values are made by `v.weight`, or by the keys' weight."""
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 2, 5, 4), 4, 4)
    heads = {
        name: sketch(aten.transpose.int, sketch(aten.view.default, sketch.linear(name, x, 6, 4), [2, 5, 2, 3]), 1, 2)
        for name in dict.fromkeys(("q.weight", key, "v.weight"))
    }
    mixed = sketch(
        aten.scaled_dot_product_attention.default, heads["q.weight"], heads[key], heads[key if fused else "v.weight"]
    )
    joined = sketch(aten.reshape.default, sketch(aten.transpose.int, mixed, 1, 2), [2, 5, 6])
    return sketch.program(sketch(aten.add.Tensor, x, sketch.linear("o.weight", joined, 4, 6)))


def test_a_value_dim_lies_at_one_place_of_every_head() -> None:
    (family,) = value_dims(attention())
    assert (family.name, family.kind, family.units) == ("o.vo_dim", "vo_dim", 3)
    assert {(slot.tensor, slot.dim): slot.positions.tolist() for slot in family.slots} == {
        ("v.weight", 0): [[0, 3], [1, 4], [2, 5]],
        ("o.weight", 1): [[0, 3], [1, 4], [2, 5]],
    }
    assert family.sites[0].unit_of.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_value_dims_of_a_kv_group_go_with_the_columns_of_all_its_query_heads(llama: Case) -> None:
    family = value_dims(llama.program)[0]
    rows = {slot.tensor.split(".")[-2]: slot.positions for slot in family.slots}
    assert (family.units, {name: where.shape for name, where in rows.items()}) == (
        16,
        {"v_proj": (16, 2), "o_proj": (16, 4)},
    )
    np.testing.assert_array_equal(rows["o_proj"][3], [3, 19, 35, 51])


def test_value_dims_and_heads_go_together() -> None:
    program = attention()
    structure = structure_of(program, *KINDS)
    slim = slim_program(program, structure, Plan({"o": (1,), "o.vo_dim": (0, 2)}))
    assert {name: list(slim.tensor(name).shape) for name in ("q.weight", "v.weight", "o.weight")} == {
        "q.weight": [3, 4],
        "v.weight": [1, 4],
        "o.weight": [4, 1],
    }


def test_values_that_are_keys_too_have_no_value_dims() -> None:
    assert value_dims(attention(fused=True)) == ()


def test_values_that_are_returned_have_no_value_dims() -> None:
    sketch = Sketch()
    x = sketch.input("x", 2, 2, 5, 3)
    values = sketch(aten.mul.Tensor, x, sketch.weight("scale", 2, 1, 3))
    mixed = sketch(aten.scaled_dot_product_attention.default, x, x, values)
    joined = sketch(aten.reshape.default, sketch(aten.transpose.int, mixed, 1, 2), [2, 5, 6])
    assert value_dims(sketch.program(sketch.linear("o.weight", joined, 4, 6), values)) == ()


def score_dims(program: Program) -> tuple[Family, ...]:
    return structure_of(program, "qk_dim").families


def test_a_query_and_key_dim_lies_at_one_place_of_every_head_and_is_masked_in_the_queries() -> None:
    (family,) = score_dims(attention())
    assert (family.name, family.kind, family.units, family.sites) == ("q.qk_dim", "qk_dim", 3, ())
    assert {(slot.tensor, slot.dim): slot.positions.tolist() for slot in family.slots} == {
        ("q.weight", 0): [[0, 3], [1, 4], [2, 5]],
        ("k.weight", 0): [[0, 3], [1, 4], [2, 5]],
    }
    (point,) = family.points
    assert (point.argument, point.axis, point.unit_of.tolist()) == (0, -1, [0, 1, 2])


def test_rotary_pairs_go_together_in_all_layers_that_share_their_frequencies(llama: Case) -> None:
    (family,) = score_dims(llama.program)
    rows = {(slot.tensor.split(".")[-2], slot.dim): slot.positions for slot in family.slots}
    assert (family.units, {key: where.shape for key, where in rows.items()}) == (
        8,
        {("q_proj", 0): (8, 8), ("k_proj", 0): (8, 4), ("rotary_emb", 0): (8, 1)},
    )
    assert (len(family.slots), len(family.points)) == (7, 3)
    np.testing.assert_array_equal(rows["k_proj", 0][3], [3, 11, 19, 27])


def scores(product: Callable[[Sketch, fx.Node, fx.Node], fx.Node]) -> Program:
    """Two heads of three dims whose scores are a `product` of queries and keys, `[heads, tokens, size]` each."""
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    query, key, value = (
        sketch(aten.transpose.int, sketch(aten.view.default, sketch.linear(name, x, 6, 4), [5, 2, 3]), 0, 1)
        for name in ("q.weight", "k.weight", "v.weight")
    )
    weights = sketch(aten.softmax.int, product(sketch, query, sketch(aten.transpose.int, key, -1, -2)), -1)
    mixed = sketch(aten.transpose.int, sketch(aten.bmm.default, weights, value), 0, 1)
    return sketch.program(sketch.linear("o.weight", sketch(aten.reshape.default, mixed, [5, 6]), 4, 6))


@pytest.mark.parametrize(
    ("product", "argument"),
    [
        (lambda sketch, query, key: sketch(aten.matmul.default, query, key), 0),
        (lambda sketch, query, key: sketch(aten.bmm.default, query, key), 0),
        (lambda sketch, query, key: sketch(aten.baddbmm.default, sketch.weight("bias", 2, 1, 1), query, key), 1),
    ],
)
def test_scores_that_are_products_of_their_own_have_dims(
    product: Callable[[Sketch, fx.Node, fx.Node], fx.Node], argument: int
) -> None:
    program = scores(product)
    structure = structure_of(program, "qk_dim")
    (family,) = structure.families
    assert (family.units, [point.argument for point in family.points]) == (3, [argument])
    for plan in alone(family):
        assert deviation(program, structure, plan, program.example) < TOLERANCE


def test_a_size_that_numbers_are_computed_from_stays() -> None:
    def scaled(sketch: Sketch, query: fx.Node, key: fx.Node) -> fx.Node:
        size = sketch(aten.sym_size.int, query, -1)
        return sketch(aten.div.Tensor, sketch(aten.matmul.default, query, key), size)

    structure = structure_of(scores(scaled), "qk_dim")
    assert structure.families == ()
    assert [pin.why for pin in structure.pins if pin.what.startswith("query and key dims")] == [
        "numbers are computed from its size, sym_size_int"
    ]


def test_dims_that_a_norm_sums_over_stay() -> None:
    def normed(sketch: Sketch, query: fx.Node, key: fx.Node) -> fx.Node:
        return sketch(aten.matmul.default, sketch(aten.layer_norm.default, query, [3]), key)

    structure = structure_of(scores(normed), "qk_dim")
    assert structure.families == ()
    assert any("sums over all of them" in pin.why for pin in structure.pins)


def stream(*norm: object, returned: bool = False) -> Program:
    """A feed-forward branch of six neurons on a stream of four features, which `norm` sums over before it is read."""
    sketch = Sketch()
    x = sketch.linear("embed.weight", sketch.input("x", 5, 3), 4, 3)
    hidden = sketch(aten.relu.default, sketch.linear("up.weight", sketch(*norm[:1], x, *norm[1:]), 6, 4))
    total = sketch(aten.add.Tensor, x, sketch.linear("down.weight", hidden, 4, 6))
    read = sketch.linear("head.weight", total, 2, 4)
    return sketch.program(read, total) if returned else sketch.program(read)


def test_features_of_a_stream_lie_in_all_that_writes_and_reads_it() -> None:
    (family,) = structure_of(stream(aten.layer_norm.default, [4]), "hidden").unmasked
    assert (family.name, family.kind, family.units, family.sites) == ("embed.hidden", "hidden", 4, ())
    assert {(slot.tensor, slot.dim) for slot in family.slots} == {
        ("embed.weight", 0),
        ("up.weight", 1),
        ("down.weight", 0),
        ("head.weight", 1),
    }


def test_features_under_means_alone_are_masked_in_them_and_where_they_are_read() -> None:
    structure = structure_of(stream(aten.rms_norm.default, [4]), "hidden")
    (family,) = structure.families
    assert (family.name, family.kind, family.units, structure.unmasked) == ("embed.hidden", "hidden", 4, ())
    assert [site.weight for site in family.sites] == ["up.weight", "head.weight"]
    assert [(point.node, point.argument, point.axis) for point in family.points] == [("rms_norm_default", 0, -1)]
    assert family.points[0].unit_of.tolist() == [0, 1, 2, 3]


def test_features_of_a_stream_are_no_neurons() -> None:
    (family,) = structure_of(stream(aten.rms_norm.default, [4]), "neuron").families
    assert family.units == 6


def test_features_that_other_sums_run_over_stay() -> None:
    structure = structure_of(stream(aten.softmax.int, -1), "hidden")
    assert structure.families == structure.unmasked == ()


@pytest.mark.parametrize("norm", [aten.layer_norm, aten.rms_norm])
def test_features_that_are_returned_stay(norm: Any) -> None:
    structure = structure_of(stream(norm.default, [4], returned=True), "hidden")
    assert structure.families == structure.unmasked == ()


def test_other_kinds_leave_the_additive_ones_as_they_are(llama: Case) -> None:
    every, usual = structure_of(llama.program, *KINDS), structure_of(llama.program, *ADDITIVE)
    assert [item.name for item in usual.families] == [item.name for item in llama.structure.families]
    assert [item.name for item in every.families if item.kind in ADDITIVE] == [item.name for item in usual.families]
    assert every.sublayers == usual.sublayers == llama.structure.sublayers
    assert [item.kind for item in every.families] == ["qk_dim", *["kv_group", "vo_dim", "neuron"] * 3, "hidden"]


def test_only_the_kinds_asked_for_are_found(llama: Case) -> None:
    assert {item.kind for item in structure_of(llama.program, "neuron").families} == {"neuron"}


def test_kinds_have_a_text_form() -> None:
    passes = parse("structure{kinds=head|vo_dim}", find_pass)
    assert passes == (StructurePass(("head", "vo_dim")),)
    assert to_text(passes) == "structure{kinds=head|vo_dim}"


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    kinds = "neuron, channel, head, kv_group, vo_dim, qk_dim, expert, hidden, vocabulary"
    with pytest.raises(InputError, match=f"choose from {kinds}"):
        StructurePass(("neuron", "layer"))
