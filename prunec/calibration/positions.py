"""Positions in a tensor as few bytes: gaps in the narrowest integer type, or a bit an entry where those are fewer."""

from __future__ import annotations

from typing import Literal

import numpy as np

Form = Literal["gaps", "bits"]


def packed(positions: np.ndarray, size: int) -> tuple[Form, np.ndarray]:
    """`positions` `[n]`, ascending and each once, of a tensor of `size` entries seen flat, and the form that they have.

    `gaps` are how many entries are passed over before each; of `bits`, eight an entry of the array, the first is the
    highest, as `numpy.packbits` has them.
    """
    gaps = np.diff(positions, prepend=-1) - 1
    gaps = gaps.astype(np.min_scalar_type(int(gaps.max(initial=0))))
    if gaps.nbytes <= -(-size // 8):
        return "gaps", gaps
    mask = np.zeros(size, dtype=bool)
    mask[positions] = True
    return "bits", np.packbits(mask)


def unpacked(form: Form, stored: np.ndarray, size: int) -> np.ndarray:
    """The positions that `packed` was given, `[n]` of int64.

    Raises:
        ValueError: they leave a tensor of `size` entries.
    """
    if form == "gaps":
        positions = (stored.astype(np.int64) + 1).cumsum() - 1
    else:
        positions = np.flatnonzero(np.unpackbits(stored)).astype(np.int64)
    if positions.size and not 0 <= positions[-1] < size:
        raise ValueError(f"position {positions[-1]} of {size} entries")
    return np.asarray(positions)
