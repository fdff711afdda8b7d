"""What goes along with labels, against following every tie again and again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prunec.ir.labels.removal import Removal, spans

SIZE = 12
labels = st.integers(0, SIZE - 1)
pairs = st.lists(st.tuples(labels, labels), max_size=15)


def plainly(groups: list[int], repeated: list[tuple[int, int]], start: list[int]) -> list[bool]:
    """The same by trying everything until nothing changes."""
    gone = set(start)
    while True:
        lost = {groups[label] for label in gone}
        grown = {label for label in range(SIZE) if groups[label] in lost}
        for narrow in {pair[1] for pair in repeated}:
            if all(wide in gone for wide, other in repeated if other == narrow):
                grown.add(narrow)
        if grown <= gone:
            return [label in gone for label in range(SIZE)]
        gone |= grown


@given(st.lists(st.integers(0, 5), min_size=SIZE, max_size=SIZE), pairs, st.lists(labels, max_size=4))
def test_ties_and_last_ones_are_followed_to_the_end(
    groups: list[int], repeated: list[tuple[int, int]], start: list[int]
) -> None:
    index = Removal(np.array(groups), [np.array(repeated, dtype=np.int64).reshape(-1, 2)])
    assert index.gone(np.array(start, dtype=np.int64)).tolist() == plainly(groups, repeated, start)


def test_spans_lie_one_after_the_other() -> None:
    assert spans(np.array([5, 1, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert spans(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
