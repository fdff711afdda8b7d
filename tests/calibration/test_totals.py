"""Figures over batches, and how sure a share is."""

from __future__ import annotations

import pytest

from prunec.calibration.totals import wilson


def test_the_interval_is_wilsons() -> None:
    share, items, z = 0.9, 50, 1.959964
    middle, half = share + z * z / (2 * items), z * (share * 0.1 / items + z * z / (4 * items**2)) ** 0.5
    expected = [(middle + side * half) / (1 + z * z / items) for side in (-1, 1)]
    assert wilson(45, 50) == pytest.approx(expected, rel=1e-6)
