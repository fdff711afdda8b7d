"""A ridge regression from plans to what they lose, and how well it ranks plans that it has not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr

RIDGES = tuple(10.0**power for power in range(-4, 4))


def fitted(rows: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A ridge regression of `targets` `[plans]` on `rows` `[plans, features]`, the ridge by leave-one-out error."""
    center, scale = rows.mean(0), np.where(rows.std(0) > 0, rows.std(0), 1.0)
    table, mean = (rows - center) / scale, targets.mean()
    left, singular, right = np.linalg.svd(table, full_matrices=False)
    parts = left.T @ (targets - mean)

    def error(ridge: float) -> float:
        shrink = singular**2 / (singular**2 + ridge)
        missed = targets - mean - left @ (shrink * parts)
        # Of a linear smoother the error without a point is what it misses over 1 - its own share of the fit.
        own = (left**2 * shrink).sum(1) + 1 / len(targets)
        return float(np.square(missed / np.maximum(1 - own, 1e-6)).mean())

    ridge = min((value * len(targets) for value in RIDGES), key=error)
    slope = right.T @ (singular / (singular**2 + ridge) * parts)
    return lambda others: np.asarray(mean + (others - center) / scale @ slope)


def held_out_rank(rows: np.ndarray, targets: np.ndarray) -> float:
    """Spearman's rank correlation of predicted and measured, for every fourth plan by a fit to the others."""
    out = np.arange(len(targets)) % 4 == 3
    return float(spearmanr(fitted(rows[~out], targets[~out])(rows[out]), targets[out]).statistic)
