"""From a delta to where its entries lie: figures and a map of every matrix."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from prunec.calibration.kendelta import KenDelta
from prunec.calibration.rowselection import folded
from prunec.report.ken import KenMatrix

MOST_CELLS = 100
"""Rows and columns of a map: a page holds one of every matrix, and a screen shows no more of it."""
LEVELS = 255


def build_matrices(delta: KenDelta, tuned: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> tuple[KenMatrix, ...]:
    """Every matrix that both models have; `tuned` and `base` are those that `delta` was derived from."""
    found = []
    for name, place in delta.names.items():
        kept = delta.kept(name)
        if kept is not None and kept.size:
            after, before = tuned[name].double(), base[place].double()
            found.append(_matrix(name, kept, (after - before).square().numpy()))
    return tuple(found)


def _matrix(name: str, kept: np.ndarray, change: np.ndarray) -> KenMatrix:
    rows, columns = folded(kept.shape)
    kept = kept.reshape(rows, columns)
    shares = density(kept)
    levels = np.rint(LEVELS * shares).astype(np.uint8)
    return KenMatrix(
        name=name,
        rows=rows,
        columns=columns,
        kept=int(kept.sum()),
        change=float(change.sum()),
        change_kept=float(change.reshape(rows, columns)[kept].sum()),
        neighbours=tuple(neighbours(kept).tolist()),
        cells=shares.shape,
        map=b64encode(levels.tobytes()).decode(),
    )


def density(kept: np.ndarray) -> np.ndarray:
    """The share of entries that stay in each cell of a map: `[rows, columns]` to `[cells, cells]`, as equal as may be.

    A matrix of fewer rows or columns than `MOST_CELLS` has a cell for each.
    """
    total, area = kept.astype(np.int64), np.ones((1, 1))
    for axis, size in enumerate(kept.shape):
        starts = np.arange(min(size, MOST_CELLS)) * size // min(size, MOST_CELLS)
        total = np.add.reduceat(total, starts, axis=axis)
        area = area * np.expand_dims(np.diff(starts, append=size), 1 - axis)
    return np.asarray(total / area)


def neighbours(kept: np.ndarray) -> np.ndarray:
    """How many of the entries that stay have none, one, to four of their four neighbours stay: `[5]`.

    As in the authors' viewer of KEN; those at the border of the matrix have fewer neighbours.
    """
    near = np.zeros(kept.shape, dtype=np.int8)
    near[1:] += kept[:-1]
    near[:-1] += kept[1:]
    near[:, 1:] += kept[:, :-1]
    near[:, :-1] += kept[:, 1:]
    return np.bincount(near[kept], minlength=5)
