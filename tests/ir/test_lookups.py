"""Where the numbers of an input go."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import fx

from prunec.ir.lookups import computed_from, origin, readers
from tests.ir.sketch import Sketch

aten = torch.ops.aten


def numbers() -> tuple[Sketch, fx.Node]:
    sketch = Sketch()
    return sketch, sketch.integers("ids", torch.arange(6).view(2, 3))


@pytest.mark.parametrize(
    ("call", "straight"),
    [
        ((aten.slice.Tensor, 1, 0, 2), True),
        ((aten.expand.default, [2, 3]), True),
        ((aten.to.dtype, torch.int32), True),
        ((aten.to.dtype, torch.bool), False),
        ((aten.add.Tensor, 1), False),
        ((aten.constant_pad_nd.default, [1, 0]), False),
    ],
)
def test_numbers_stay_what_they_are_when_they_are_moved(call: tuple[Any, ...], straight: bool) -> None:
    sketch, ids = numbers()
    assert origin(sketch(call[0], ids, *call[1:])) is (ids if straight else None)


def test_readers_are_what_reads_numbers_and_not_shapes() -> None:
    sketch, ids = numbers()
    moved = sketch(aten.unsqueeze.default, ids, 0)
    doubled = sketch(aten.mul.Tensor, moved, 2)
    sketch(aten.sym_size.int, ids, 0)
    sketch(aten.zeros_like.default, moved)
    assert list(readers(ids)) == [doubled]


def test_numbers_that_are_written_over_others_are_read() -> None:
    sketch, ids = numbers()
    other = sketch.integers("other", torch.zeros(2, 3, dtype=torch.long))
    written = sketch(aten.copy.default, other, ids)
    assert list(readers(ids)) == [written]


def test_what_takes_only_the_shape_of_an_input_is_not_computed_from_it() -> None:
    sketch, ids = numbers()
    assert computed_from(sketch(aten.cumsum.default, sketch(aten.ones_like.default, ids), 1)) is None
    assert computed_from(sketch(aten.cumsum.default, ids, 1)) is ids
