"""Fisher information: the squared mask gradient, a second-order estimate of the loss."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import Collected, SquaredGradient, Statistic
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class Fisher(Criterion):
    """`mean over sequences of (dL/dm)^2` at m = 1: the diagonal of the empirical Fisher information.

    Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", equation 6; there by
    batch, here by sequence, so that the result does not depend on how the stream is batched.
    """

    name: ClassVar[str] = "fisher"
    summary: ClassVar[str] = "diagonal Fisher information of the unit's mask"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (SquaredGradient,)

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Mean squared mask gradients `[units]`."""
        return collected[SquaredGradient].mean(family)
