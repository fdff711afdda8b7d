"""Workloads are read from text and print back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.cost.workload import Workload, default_threads
from prunec.errors import InputError


@given(st.sampled_from(["encode", "prefill"]), st.integers(1, 999), st.integers(1, 9999), st.integers(1, 64))
def test_text_round_trips(phase: str, batch: int, sequence: int, threads: int) -> None:
    workload = Workload(phase, batch, sequence, threads)
    assert Workload.parse(str(workload), threads) == workload


def test_threads_default_to_the_processors_of_this_process() -> None:
    assert Workload.parse("encode:1x128").threads == default_threads() >= 1


@pytest.mark.parametrize("text", ["", "encode", "encode:1", "train:1x8", "encode:0x8", "encode:1x0", "encode:1x8x2"])
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="such as prefill:1x128"):
        Workload.parse(text)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_positive(threads: int) -> None:
    with pytest.raises(InputError, match="--threads"):
        Workload.parse("encode:1x8", threads)
