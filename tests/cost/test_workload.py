"""Workloads are read from text and print back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.cost.workload import LENGTH, Workload, default_threads
from prunec.errors import InputError


@given(st.sampled_from(["encode", "prefill", "decode"]), st.integers(1, 999), st.integers(1, 9999), st.integers(1, 64))
def test_text_round_trips(phase: str, batch: int, length: int, threads: int) -> None:
    decodes = phase == "decode"
    workload = Workload(phase, batch, 1 if decodes else length, threads, length if decodes else 0)
    assert Workload.parse(str(workload), threads) == workload


@given(st.integers(1, 999), st.integers(1, 64))
def test_text_without_a_length_round_trips(batch: int, threads: int) -> None:
    workload = Workload("encode", batch, LENGTH, threads, sized=False)
    assert str(workload) == f"encode:{batch}"
    assert Workload.parse(str(workload), threads) == workload


def test_decoding_is_one_token_after_those_that_are_cached() -> None:
    workload = Workload.parse("decode:2@512", 1)
    assert (workload.batch, workload.sequence, workload.past, workload.tokens) == (2, 1, 512, 513)


def test_threads_default_to_the_processors_of_this_process() -> None:
    assert Workload.parse("encode:1x128").threads == default_threads() >= 1


WRONG = ("", "encode", "encode:0", "prefill:1", "train:1x8", "train:1", "encode:0x8", "encode:1x0", "encode:1x8x2")
NOT_DECODING = ("decode:1x512", "decode:1@0", "decode:0@8", "decode:1", "prefill:1@8", "decode:1@8x2")


@pytest.mark.parametrize("text", [*WRONG, *NOT_DECODING])
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="such as prefill:1x128"):
        Workload.parse(text)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_positive(threads: int) -> None:
    with pytest.raises(InputError, match="--threads"):
        Workload.parse("encode:1x8", threads)
