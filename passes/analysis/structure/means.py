"""Where masks of a family act on means: what is removed counts as zeros in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prunec.facts import MaskPoint
from prunec.ir.labels.ledger import Ledger, Mean


def mean_points(ledger: Ledger, unit_of: np.ndarray) -> Iterator[MaskPoint]:
    """The points of a family on every mean over a part of its units; `unit_of` is the unit of each label, or -1.

    Raises:
        ValueError: no mask along one axis would do; the mean is named.
    """
    masked = set()
    for mean in ledger.means:
        units = unit_of[mean.labels]
        varying = [axis for axis in range(units.ndim) if _varies(units, axis)]
        if not set(varying) & set(mean.axes):
            continue  # none of them is in it, or each mean is of one unit, and goes with it
        if len(varying) > 1 or mean.node in masked:
            raise ValueError(f"{mean.node.name} takes means over which they lie along more than one axis")
        masked.add(mean.node)
        yield _point(mean, units, varying[0])


def _varies(units: np.ndarray, axis: int) -> bool:
    """Whether other units lie along an axis than at its first index."""
    return bool((units != units.take([0], axis)).any())


def _point(mean: Mean, units: np.ndarray, axis: int) -> MaskPoint:
    """The mask along an axis on which alone `units` differ."""
    line = np.moveaxis(units, axis, -1).reshape(-1, units.shape[axis])[0]
    return MaskPoint(mean.node.name, 0, line, axis - units.ndim)
