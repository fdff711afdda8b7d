"""Convolutions by channel, and what follows them, on labels."""

from __future__ import annotations

import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_a_channel_goes_with_its_own_kernel() -> None:
    sketch = Sketch()
    x = sketch(aten.conv1d.default, sketch.input("x", 2, 3, 8), sketch.weight("a", 4, 3, 1))
    seen = Seen(sketch, sketch(aten.conv1d.default, x, sketch.weight("k", 4, 1, 3), None, [1], [1], [1], 4))
    assert seen.tied(("a", 0), ("k", 0))


def test_a_transposed_convolution_contracts_its_first_axis() -> None:
    sketch = Sketch()
    x = sketch(aten.conv1d.default, sketch.input("x", 2, 3, 8), sketch.weight("a", 4, 3, 1))
    seen = Seen(sketch, sketch(aten.conv_transpose1d.default, x, sketch.weight("t", 4, 5, 2)))
    assert seen.tied(("a", 0), ("t", 0))


def test_a_norm_by_channel_goes_with_the_channel() -> None:
    sketch = Sketch()
    x = sketch(aten.conv1d.default, sketch.input("x", 2, 3, 8), sketch.weight("a", 4, 3, 1))
    numbers = [sketch.weight(name, 4) for name in ("scale", "bias", "mean", "var")]
    norm = sketch(aten.batch_norm.default, x, *numbers, False, 0.1, 1e-5, False)
    assert all(Seen(sketch, norm).tied(("a", 0), (name, 0)) for name in ("scale", "bias", "mean", "var"))


def test_pooling_keeps_channels() -> None:
    sketch = Sketch()
    x = sketch(aten.conv1d.default, sketch.input("x", 2, 3, 8), sketch.weight("a", 4, 3, 1))
    pooled = sketch(aten.avg_pool1d.default, x, [2])
    assert Seen(sketch, pooled).alive(pooled, 1, a=[1]) == [True, False, True, True]
