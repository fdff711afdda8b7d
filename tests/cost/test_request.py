"""Requests to artifacts of any exporter: axes and values by the names of inputs."""

from __future__ import annotations

import numpy as np

from prunec.cost.request import Feed, request
from prunec.cost.workload import Workload

WORK = Workload("prefill", 2, 5, 1)
INT, FLOAT = np.dtype("int64"), np.dtype("float32")


def shapes(*feeds: Feed) -> list[tuple[int, ...]]:
    return [values.shape for values in request(feeds, WORK).values()]


def test_axes_are_told_by_their_names() -> None:
    ours = Feed("input_ids", INT, ("batch", "sequence"))
    theirs = Feed("attention_mask", INT, ("batch_size", "past_sequence_length + sequence_length"))
    assert shapes(ours, theirs) == [(2, 5), (2, 5)]


def test_a_first_axis_without_a_telling_name_is_the_batch() -> None:
    assert shapes(Feed("input_ids", INT, ("s0", "s1")), Feed("pixels", FLOAT, ("", 3, 8, 8))) == [(2, 5), (2, 3, 8, 8)]


def test_what_came_before_is_empty() -> None:
    past = Feed("past_key_values.0.key", FLOAT, ("batch_size", 3, "past_sequence_length", 64))
    assert shapes(past) == [(2, 3, 0, 64)]


def test_a_token_after_512_cached_ones() -> None:
    past = ("batch_size", 3, "past_sequence_length", 64)
    feeds = [
        Feed("input_ids", INT, ("batch", "sequence")),
        Feed("attention_mask", INT, ("batch_size", "past_sequence_length + sequence_length")),
        Feed("mask_of_all", INT, ("batch_size", "total_sequence_length")),
        Feed("position_ids", INT, ("batch", "sequence")),
        Feed("past_key_values.0.key", FLOAT, past),
    ]
    found = request(feeds, Workload.parse("decode:2@512", 1))
    assert [values.shape for values in found.values()] == [(2, 1), (2, 513), (2, 513), (2, 1), (2, 3, 512, 64)]
    assert found["position_ids"].tolist() == [[512]] * 2


def test_values_are_what_the_names_say() -> None:
    axes = ("batch", "sequence")
    found = request([Feed(name, INT, axes) for name in ("attention_mask", "position_ids", "token_type_ids")], WORK)
    assert found["attention_mask"].tolist() == [[1] * 5] * 2
    assert found["position_ids"].tolist() == [[0, 1, 2, 3, 4]] * 2
    assert found["token_type_ids"].tolist() == [[0] * 5] * 2


def test_a_seed_draws_the_same_tokens_again() -> None:
    feeds = [Feed("input_ids", INT, ("batch", "sequence"))]
    one, two, other = (request(feeds, WORK, seed)["input_ids"].tolist() for seed in (1, 1, 2))
    assert one == two != other
