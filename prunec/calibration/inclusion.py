"""Differential inclusions over masks: which units a model wants back first when all are pulled towards nothing."""

from __future__ import annotations

import numpy as np

THRESHOLD = 1.0
"""Where the penalty lets a unit enter: the subgradient of its absolute value at zero ends there."""


class Inclusion:
    """The linearised Bregman iteration of Ding et al. 2025 (SPP), on a vector of masks.

    "Adaptive Pruning of Pretrained Transformer via Differential Inclusions", arXiv 2501.03289.

    Of masks M on unchanged weights and their sparse twins G, the augmented loss is

        L(M) + |M - G|^2 / (2 nu)

    and one step of size a, which counts as time a / nu,

        M' = clip(M - kappa a (dL/dM + (M - G) / nu), 0, 1)        V' = V + (a / nu) (M - G)
        G' = sign(V') max(|V'| - 1, 0)

    from M = 1 and V = G = 0. G pulls M towards nothing; a unit whose loss holds its mask up has a V that grows fast,
    and enters, G > 0, when V passes 1. A unit that the loss knows nothing of has V below 1 / kappa for ever.

    Only L, not nu, has a scale of its own: time is counted in nu, gradients in 1 / nu. That masks are kept between 0
    and 1 is ours: nothing is amplified, and a steep unit cannot make a step diverge. The released code leaves
    (M - G) / nu out of M's step, so that nothing is ever pulled; here the equations are followed.

    Attributes:
        masks, drive, sparse: M, V and G, `[units]`.
        entries: `[units]`, the time at which V first passed 1, between steps by a straight line; NaN before that.
        time: since the start.
    """

    def __init__(self, units: int, step: float, kappa: float) -> None:
        self.step, self.kappa, self.time = step, kappa, 0.0
        self.masks, self.drive, self.sparse = np.ones(units), np.zeros(units), np.zeros(units)
        self.entries = np.full(units, np.nan)

    def update(self, gradient: np.ndarray) -> None:
        """One step, by `gradient` `[units]` = nu dL/dM."""
        apart = self.masks - self.sparse
        drive = self.drive + self.step * apart
        passing = (self.drive < THRESHOLD) & (drive >= THRESHOLD) & np.isnan(self.entries)
        share = (THRESHOLD - self.drive[passing]) / (drive - self.drive)[passing]
        self.entries[passing] = self.time + share * self.step
        self.masks = np.clip(self.masks - self.kappa * self.step * (gradient + apart), 0.0, 1.0)
        self.drive, self.sparse = drive, np.sign(drive) * np.maximum(np.abs(drive) - THRESHOLD, 0.0)
        self.time += self.step

    def times(self) -> np.ndarray:
        """The time of entry `[units]`; of what has not entered yet, when it would if V grew on as it did on average."""
        ahead = self.time / np.maximum(self.drive, np.finfo(float).tiny)
        return np.where(np.isnan(self.entries), np.minimum(ahead, np.finfo(float).max), self.entries)
