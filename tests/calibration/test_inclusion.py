"""Differential inclusions: one step is what the equations say; what a loss holds up enters, by how firmly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prunec.calibration.inclusion import Inclusion


def test_a_step_is_what_the_equations_say() -> None:
    generator = np.random.default_rng(0)
    found = Inclusion(6, step=0.3, kappa=1.5)
    masks, drive, sparse = [1.0] * 6, [0.0] * 6, [0.0] * 6
    for _ in range(20):
        gradient = generator.normal(size=6)
        found.update(gradient)
        for unit in range(6):
            apart = masks[unit] - sparse[unit]
            masks[unit] = min(1.0, max(0.0, masks[unit] - 1.5 * 0.3 * (gradient[unit] + apart)))
            drive[unit] += 0.3 * apart
            sparse[unit] = math.copysign(max(abs(drive[unit]) - 1, 0), drive[unit])
        np.testing.assert_allclose(found.masks, masks)
        np.testing.assert_allclose(found.drive, drive)
        np.testing.assert_allclose(found.sparse, sparse)
    assert np.isfinite(found.entries).any()


def run(curvature: np.ndarray, steps: int) -> Inclusion:
    """The path of `sum h (1 - m)^2 / 2`."""
    found = Inclusion(len(curvature), step=0.01, kappa=10.0)
    for _ in range(steps):
        found.update(-curvature * (1 - found.masks))
    return found


def test_firm_units_enter_when_theory_says_and_idle_ones_never() -> None:
    curvature = np.array([0.0, 0.5, 2.0, 20.0])
    found = run(curvature, 600)
    assert math.isnan(found.entries[0])
    # At rest M = h / (1 + h), and V has grown by that much a unit of time, but for the start.
    started = 1 / (10 * (1 + curvature[1:]) ** 2)
    expected = (1 - started) * (1 + curvature[1:]) / curvature[1:]
    np.testing.assert_allclose(found.entries[1:], expected, rtol=0.02)


def test_what_has_not_entered_is_ordered_by_how_near_it_is() -> None:
    times = run(np.array([0.0, 0.01, 0.05, 2.0]), 400).times()
    assert times[3] < 4.0 < times[2] < times[1] < times[0]
    assert np.isfinite(times).all()


def test_at_the_very_start_nothing_has_entered() -> None:
    assert np.isfinite(Inclusion(3, 0.1, 1.0).times()).all()


def test_a_steep_unit_does_not_diverge() -> None:
    found = run(np.array([1e6, 1.0]), 300)
    assert found.entries[0] == pytest.approx(1.0, abs=0.1)
    assert ((found.masks >= 0) & (found.masks <= 1)).all()
