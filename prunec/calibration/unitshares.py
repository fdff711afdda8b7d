"""How much of each unit's weights some choice of single entries takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prunec.facts import Family


def unit_shares(family: Family, chosen: Callable[[str], np.ndarray | None]) -> np.ndarray:
    """The share of the entries of each unit that are chosen: `[units]`, between 0 and 1.

    Args:
        family: of units.
        chosen: by the name of a tensor, which of its entries are, in its shape; None for tensors that do not count.
            Where none counts, the shares are no numbers.
    """
    taken, count = np.zeros(family.units), 0
    for slot in family.slots:
        mask = chosen(slot.tensor)
        if mask is None:
            continue
        along = np.moveaxis(mask, slot.dim, 0).reshape(mask.shape[slot.dim], -1)
        taken += along[slot.positions].sum((1, 2))
        count += along[slot.positions[0]].size
    return taken / count if count else np.full(family.units, np.nan)
