"""Sums of products in Einstein's notation on labels."""

from __future__ import annotations

import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_queries_go_with_keys_and_scores_are_labelled_by_head() -> None:
    sketch = Sketch()
    x = sketch.input("x", 1, 5, 4)
    q, k = (sketch(aten.reshape.default, sketch.linear(name, x, 6, 4), [1, 5, 2, 3]) for name in "qk")
    scores = sketch(aten.einsum.default, "...qhd,...khd->...hqk", [q, k])
    seen = Seen(sketch, scores)
    assert seen.tied(("q", 0), ("k", 0))
    assert seen.alive(scores, 1, q=[0, 1, 2]) == [False, True]


def test_more_than_one_contracted_axis_is_refused() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    call = sketch(aten.einsum.default, "ind,hnd->ih", [heads, sketch.weight("o", 7, 2, 3)])
    seen = Seen(sketch, call)
    assert seen.flow.ledger.refused == {call: "is no product of matrices"}
    assert seen.pinned("w", 0) == list(range(6))
