"""Attention on labels, as one operator and as two products."""

from __future__ import annotations

import numpy as np
import torch
from torch import fx

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten
HEADS, DIM = 4, 3


def projected(sketch: Sketch, name: str, heads: int) -> fx.Node:
    """A projection by head, `[1, heads, 5, DIM]`."""
    x = next(iter(sketch.graph.find_nodes(op="placeholder")))
    rows = sketch.linear(name, x, heads * DIM, 4)
    return sketch(aten.transpose.int, sketch(aten.reshape.default, rows, [1, 5, heads, DIM]), 1, 2)


def merged(sketch: Sketch, heads: fx.Node) -> fx.Node:
    """The output projection `o`."""
    flat = sketch(aten.reshape.default, sketch(aten.transpose.int, heads, 1, 2), [1, 5, HEADS * DIM])
    return sketch.linear("o", flat, 4, HEADS * DIM)


def repeated(sketch: Sketch, value: fx.Node, heads: int) -> fx.Node:
    """Fewer heads, each copied for its queries as transformers do it."""
    wide = sketch(aten.expand.default, sketch(aten.unsqueeze.default, value, 2), [1, heads, HEADS // heads, 5, DIM])
    return sketch(aten.reshape.default, wide, [1, HEADS, 5, DIM])


def attended(heads: int, *, copied: bool = False, bias: str = "") -> Seen:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    q, k, v = (projected(sketch, name, count) for name, count in (("q", HEADS), ("k", heads), ("v", heads)))
    if copied:
        k, v = repeated(sketch, k, heads), repeated(sketch, v, heads)
    mask = sketch.input("mask", 1, HEADS, 5, 5) if bias == "input" else None
    mask = sketch.weight("mask", HEADS, 1, 1) if bias == "weight" else mask
    gqa = {"enable_gqa": True} if not copied and heads < HEADS else {}
    result = sketch(aten.scaled_dot_product_attention.default, q, k, v, mask, **gqa)
    return Seen(sketch, merged(sketch, result))


def by_products(heads: int) -> Seen:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    q, k, v = (projected(sketch, name, count) for name, count in (("q", HEADS), ("k", heads), ("v", heads)))
    if heads < HEADS:
        k, v = repeated(sketch, k, heads), repeated(sketch, v, heads)
    scores = sketch(aten.matmul.default, q, sketch(aten.transpose.int, k, 2, 3))
    scores = sketch(aten.add.Tensor, sketch(aten.mul.Tensor, scores, 0.5), sketch.input("mask", 1, 1, 5, 5))
    return Seen(sketch, merged(sketch, sketch(aten.matmul.default, sketch(aten.softmax.int, scores, -1), v)))


def test_queries_go_with_keys_and_values_with_outputs() -> None:
    seen = attended(HEADS)
    assert seen.tied(("q", 0), ("k", 0))
    assert seen.tied(("v", 0), ("o", 1))
    assert not seen.tied(("q", 0), ("v", 0))


def test_heads_are_told_by_the_head_axis() -> None:
    (heads,) = attended(HEADS).flow.ledger.attentions
    assert {name: rows.shape for name, rows in heads.roles.items()} == dict.fromkeys(
        ("query", "key", "output"), (HEADS, DIM)
    )


def test_grouped_keys_are_tied_to_all_their_queries() -> None:
    for seen in (attended(2), attended(2, copied=True)):
        gone = seen.survivors(k=[0, 1, 2]).gone
        assert gone[seen.flow.tensors["q"][0].numpy()].tolist() == [True] * 6 + [False] * 6


def test_a_key_for_all_heads_outlives_any_of_them() -> None:
    for seen in (attended(1), attended(1, copied=True), by_products(1)):
        labels = seen.flow.tensors["k"][0].numpy()
        assert not seen.survivors(q=list(range(9))).gone[labels].any()
        assert seen.survivors(q=list(range(12))).gone[labels].all()


def test_copies_of_a_shared_key_are_as_many_as_heads() -> None:
    seen = attended(1, copied=True)
    copies = [node for node in seen.program.graph.nodes if node.target is aten.expand.default]
    assert [seen.alive(node, 2, q=[3, 4, 5], o__1=[3, 4, 5]) for node in copies] == [[True, False, True, True]] * 2


def test_a_bias_weight_by_head_goes_with_its_head() -> None:
    seen = attended(HEADS, bias="weight")
    gone = seen.survivors(q=[0, 1, 2]).gone
    assert gone[seen.flow.tensors["mask"][0].numpy()].tolist() == [True, False, False, False]


def test_a_bias_by_head_that_stays_pins_the_scores_of_all_heads() -> None:
    seen = attended(HEADS, bias="input")
    (heads,) = seen.flow.ledger.attentions
    pinned = np.concatenate([labels for labels, _ in seen.flow.ledger.pins])
    assert np.isin(heads.roles["scores"], pinned).all()


def test_two_products_tie_what_an_attention_ties() -> None:
    seen = by_products(HEADS)
    assert seen.tied(("q", 0), ("k", 0))
    assert seen.tied(("v", 0), ("o", 1))
    assert [sorted(item.roles) for item in seen.flow.ledger.attentions] == [
        ["first", "scores", "second"],
        ["scores", "values"],
    ]


def test_two_products_over_grouped_keys_tie_queries_that_share_one() -> None:
    seen = by_products(2)
    gone = seen.survivors(k=[0, 1, 2]).gone
    assert gone[seen.flow.tensors["q"][0].numpy()].tolist() == [True] * 6 + [False] * 6


def test_an_attention_without_labels_on_a_side_is_refused() -> None:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    q = projected(sketch, "q", HEADS)
    other = sketch.input("y", 1, HEADS, 5, DIM)
    call = sketch(aten.scaled_dot_product_attention.default, q, other, other)
    seen = Seen(sketch, call)
    assert list(seen.flow.ledger.refused) == [call]
    assert seen.pinned("q", 0) == list(range(HEADS * DIM))


def by_table(sketch: Sketch) -> fx.Node:
    """Relative positions by row of a picture: queries `[HEADS, 2, 2, DIM]`, with heads and columns as one axis."""
    rows = sketch.linear("q", sketch.input("x", 4, 4), HEADS * DIM, 4)
    heads = sketch(aten.permute.default, sketch(aten.reshape.default, rows, [2, 2, HEADS, DIM]), [0, 2, 1, 3])
    merged = sketch(aten.reshape.default, heads, [2, HEADS * 2, DIM])
    scores = sketch(aten.matmul.default, merged, sketch.weight("table", 2, DIM, 5))
    return sketch(aten.reshape.default, scores, [2, HEADS, 2, 5])


def test_a_product_with_heads_and_columns_as_one_axis_has_a_label_a_head() -> None:
    sketch = Sketch()
    scores = sketch(aten.add.Tensor, by_table(sketch), sketch.weight("bias", HEADS, 1, 1))
    seen = Seen(sketch, sketch(aten.sum.dim_IntList, scores, [1]))
    gone = seen.survivors(q=[0, 1, 2]).gone
    assert gone[seen.flow.tensors["bias"][0].numpy()].tolist() == [True, False, False, False]
    assert not gone[seen.flow.tensors["table"][1].numpy()].any()


def test_a_learned_query_goes_with_its_keys() -> None:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    learned = sketch(aten.reshape.default, sketch.weight("query", 1, 1, HEADS * DIM), [1, 1, HEADS, DIM])
    q = sketch(aten.transpose.int, learned, 1, 2)
    k, v = (projected(sketch, name, HEADS) for name in "kv")
    seen = Seen(sketch, sketch(aten.scaled_dot_product_attention.default, q, k, v))
    assert seen.flow.ledger.refused == {}
    assert seen.tied(("query", 2), ("k", 0))


def test_learned_tokens_stay_and_heads_over_them_are_found() -> None:
    sketch = Sketch()
    tokens = sketch(aten.cat.default, [sketch.weight("learned", 1, 2, 4), sketch.input("x", 1, 3, 4)], 1)
    q, k, v = (
        sketch(
            aten.transpose.int,
            sketch(aten.reshape.default, sketch.linear(name, tokens, HEADS * DIM, 4), [1, 5, HEADS, DIM]),
            1,
            2,
        )
        for name in "qkv"
    )
    seen = Seen(sketch, merged(sketch, sketch(aten.scaled_dot_product_attention.default, q, k, v)))
    assert len(seen.flow.ledger.attentions) == 1
    assert seen.pinned("v", 0) == []
    assert seen.pinned("learned", 1) == [0, 1]
