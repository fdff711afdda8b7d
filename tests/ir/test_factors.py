"""Means keep their denominators when a part of what they run over goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from prunec.errors import PassError
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from tests.ir.sketch import Sketch

aten = torch.ops.aten


def rows_under(target: Any, *args: Any, heads: bool = False) -> Program:
    """A call over the rows `[5, 6]` that the weight `w` gives, or over two heads of three."""
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 6, 4)
    rows = sketch(aten.reshape.default, rows, [5, 2, 3]) if heads else rows
    return sketch.program(sketch(target, rows, *args))


def without(program: Program, removed: list[int]) -> torch.Tensor:
    """What the program gives on its example without rows of `w`."""
    return slice_program(program, {("w", 0): np.array(removed)})(program.example)["output_0"]


def zeroed(program: Program, removed: list[int]) -> torch.Tensor:
    """What it gives with zeros in those rows."""
    program.tensor("w")[removed] = 0
    return program(program.example)["output_0"]


MEANS = {
    "the last axis": (aten.mean.dim, [-1], True),
    "tokens and features": (aten.mean.dim, [0, 1]),
    "all there is": (aten.mean.default,),
    "no axis by name": (aten.mean.dim, None),
}


@pytest.mark.parametrize("name", MEANS)
def test_what_is_gone_counts_as_zeros(name: str) -> None:
    program = rows_under(*MEANS[name])
    torch.testing.assert_close(without(program, [1, 4]), zeroed(program, [1, 4]))


@pytest.mark.parametrize("least", [None, 0.1])
def test_a_root_mean_square_counts_what_is_gone_as_zeros(least: float | None) -> None:
    program = rows_under(aten.rms_norm.default, [6], None, least)
    torch.testing.assert_close(without(program, [1, 4]), zeroed(program, [1, 4])[:, [0, 2, 3, 5]])


def test_a_centred_norm_takes_what_is_left() -> None:
    program = rows_under(aten.layer_norm.default, [6])
    rows = program.example["x"] @ program.tensor("w").T
    expected = torch.nn.functional.layer_norm(rows[:, [0, 2, 3, 5]], [4])
    torch.testing.assert_close(without(program, [1, 4]), expected)


def test_means_of_heads_go_with_their_heads_unscaled() -> None:
    program = rows_under(aten.mean.dim, [-1], heads=True)
    torch.testing.assert_close(without(program, [0, 1, 2]), program(program.example)["output_0"][:, 1:])


def test_means_over_dims_that_are_gone_in_every_head_are_scaled() -> None:
    program = rows_under(aten.mean.dim, [-1], heads=True)
    torch.testing.assert_close(without(program, [1, 4]), zeroed(program, [1, 4]))


def test_other_means_are_left_alone() -> None:
    program = rows_under(aten.mean.dim, [0])
    slim = slice_program(program, {("w", 0): np.array([1])})
    assert len(slim.graph.nodes) == len(program.graph.nodes)


def test_factors_compose() -> None:
    program = rows_under(aten.mean.dim, [-1])
    once = slice_program(program, {("w", 0): np.array([1, 4])})
    twice = slice_program(slice_program(program, {("w", 0): np.array([4])}), {("w", 0): np.array([1])})
    torch.testing.assert_close(twice(program.example)["output_0"], once(program.example)["output_0"])


def test_a_ragged_part_of_a_mean_is_refused() -> None:
    program = rows_under(aten.mean.dim, [1, 2], heads=True)
    with pytest.raises(PassError, match="ragged"):
        without(program, [0, 4])
