"""Batches hold what the model takes: any rows and tokens, or as many as it fixes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from prunec.calibration.batching import batched
from prunec.ir.program import Input


def rows(*lengths: int) -> list[dict[str, list[int]]]:
    return [{"input_ids": [9] * length} for length in lengths]


def tokens(*, fixed: dict[str, int]) -> Sequence[Input]:
    return [Input("input_ids", torch.int64, {}, fixed), Input("attention_mask", torch.int64, {}, fixed)]


def shapes(lengths: Sequence[int], batch: int, fixed: dict[str, int]) -> set[tuple[int, ...]]:
    made = batched(rows(*lengths), tokens(fixed=fixed), batch, 0, seed=0)
    return {tuple(value.shape) for group in made for value in group.values()}


def test_batches_are_as_long_as_their_longest_row() -> None:
    assert shapes([3, 4, 6, 7, 9], 2, {}) == {(2, 4), (2, 7), (1, 9)}


def test_every_batch_has_the_tokens_that_the_model_fixes() -> None:
    assert shapes([3, 4, 6], 2, {"sequence": 8}) == {(2, 8), (1, 8)}


def test_every_batch_has_the_rows_that_the_model_fixes() -> None:
    assert shapes([3, 3, 3, 3, 5], 4, {"batch": 2}) == {(2, 3)}


def test_rows_are_repeated_where_there_are_fewer_than_the_model_takes() -> None:
    assert shapes([3], 4, {"batch": 2, "sequence": 4}) == {(2, 4)}
