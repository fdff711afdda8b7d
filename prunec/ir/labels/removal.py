"""What goes along when labels go: found from where a cut begins, so that a small cut of a large program is quick."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class Removal:
    """An index of what ties labels together.

    Labels tied to one that goes, go. A label that stands for many (see `Ledger.repeated`) goes with the
    last of them.

    Args:
        tied: group id of each label: those that ties join.
        repeated: (wide, narrow) pairs of labels.
    """

    def __init__(self, tied: np.ndarray, repeated: Iterable[np.ndarray]) -> None:
        self._tied = tied
        self._members, self._first = _by_key(tied)
        pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *repeated])
        order, self._first_pair = _by_key(pairs[:, 0], len(tied))
        self._narrow = pairs[order, 1]
        self._stands_for = np.bincount(pairs[:, 1], minlength=len(tied))

    def gone(self, labels: np.ndarray) -> np.ndarray:
        """Which labels go with `labels`: bool by label."""
        gone = np.zeros(len(self._tied), dtype=bool)
        lost = np.zeros(len(self._tied), dtype=np.int64)
        while len(labels):
            going = self._members[_of_keys(self._first, np.unique(self._tied[labels]))]
            going = going[~gone[going]]
            gone[going] = True
            narrow, times = np.unique(self._narrow[_of_keys(self._first_pair, going)], return_counts=True)
            lost[narrow] += times
            labels = narrow[(lost[narrow] == self._stands_for[narrow]) & ~gone[narrow]]
        return gone


def _by_key(keys: np.ndarray, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the order of their keys, and where each key begins: key k has `order[first[k]:first[k + 1]]`."""
    size = int(keys.max(initial=-1)) + 1 if size is None else size
    first = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=size))])
    return np.argsort(keys, kind="stable"), first


def _of_keys(first: np.ndarray, keys: np.ndarray) -> np.ndarray:
    return spans(first[keys], first[keys + 1] - first[keys])


def spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Every position of the spans that begin at `starts`, one span after the other."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    return np.asarray(np.repeat(starts - before[:-1], lengths) + np.arange(before[-1]))
