"""Tokens become the inputs of artifacts of any exporter."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.cost.feeding import fed, fixed_sizes
from prunec.cost.request import Feed
from prunec.errors import InputError

INT32, INT64, FLOAT = np.dtype("int32"), np.dtype("int64"), np.dtype("float32")
TOKENS = {"input_ids": np.array([[5, 6, 7], [8, 9, 0]]), "attention_mask": np.array([[1, 1, 1], [1, 1, 0]])}


def test_what_is_given_is_cast() -> None:
    found = fed([Feed("input_ids", INT32, ("batch", "sequence"))], TOKENS)
    assert found["input_ids"].dtype == INT32
    np.testing.assert_array_equal(found["input_ids"], TOKENS["input_ids"])


def test_positions_count_what_the_mask_shows() -> None:
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 1]])
    tokens = {"input_ids": np.array([[5, 6], [7, 8]]), "attention_mask": mask}
    found = fed([Feed("position_ids", INT64, ("batch", "sequence"))], tokens)
    np.testing.assert_array_equal(found["position_ids"], [[1, 2], [2, 3]])


def test_types_are_zero_and_a_cache_is_empty() -> None:
    cache = Feed("past_key_values.0.key", FLOAT, ("batch", 3, "past", 16))
    found = fed([Feed("token_type_ids", INT64, ("batch", "sequence")), cache], TOKENS)
    np.testing.assert_array_equal(found["token_type_ids"], np.zeros((2, 3)))
    assert (found[cache.name].shape, found[cache.name].dtype) == ((2, 3, 0, 16), FLOAT)


def test_a_cache_that_is_given_is_kept() -> None:
    past = {"past_key_values.0.key": np.ones((2, 3, 4, 16), FLOAT)}
    found = fed([Feed("past_key_values.0.key", FLOAT, ("batch", 3, "past", 16))], TOKENS, past)
    np.testing.assert_array_equal(found["past_key_values.0.key"], past["past_key_values.0.key"])


def test_what_text_cannot_feed_is_named() -> None:
    with pytest.raises(InputError, match="the artifact takes pixel_values, which text cannot feed"):
        fed([Feed("pixel_values", FLOAT, ("batch", 3, 8, 8))], TOKENS)


def test_sizes_are_fixed_where_the_file_says_so() -> None:
    assert fixed_sizes([Feed("input_ids", INT64, (2, "sequence"))]) == {"batch": 2}
    assert fixed_sizes([Feed("input_ids", INT64, ("", 128))]) == {"sequence": 128}
    assert fixed_sizes([]) == {}
