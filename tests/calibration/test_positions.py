"""Positions are stored in few bytes, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.calibration.positions import packed, unpacked


@st.composite
def chosen(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Some positions of a tensor and its size: few of many, many of few, none and all."""
    size = draw(st.integers(0, 70) | st.integers(1, 200_000))
    positions = draw(st.sets(st.integers(0, size - 1), max_size=60)) if size else set[int]()
    if draw(st.booleans()):
        positions = set(range(size)) - positions
    return np.array(sorted(positions), dtype=np.int64), size


@given(chosen())
def test_positions_come_back(case: tuple[np.ndarray, int]) -> None:
    positions, size = case
    found = unpacked(*packed(positions, size), size)
    assert found.dtype == np.int64
    assert found.tolist() == positions.tolist()


@given(chosen())
def test_no_more_bytes_are_taken_than_a_bit_an_entry(case: tuple[np.ndarray, int]) -> None:
    positions, size = case
    assert packed(positions, size)[1].nbytes <= -(-size // 8)


@pytest.mark.parametrize(("gap", "width"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4)])
def test_gaps_have_the_narrowest_type(gap: int, width: int) -> None:
    form, stored = packed(np.array([gap]), 10 * gap)
    assert (form, stored.dtype.itemsize, stored.tolist()) == ("gaps", width, [gap])


def test_positions_beyond_the_tensor_are_refused() -> None:
    for form, stored in (packed(np.array([7, 99]), 1000), packed(np.arange(100), 100)):
        with pytest.raises(ValueError, match="position 99 of 90 entries"):
            unpacked(form, stored, 90)
