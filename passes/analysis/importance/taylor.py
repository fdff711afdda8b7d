"""Taylor: how strongly the loss answers to a unit's mask, to first order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import AbsoluteGradient, Collected, Statistic
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class Taylor(Criterion):
    """`mean over sequences of |dL/dm|` at m = 1, with L the objective's target on one sequence.

    The first-order Taylor estimate of the loss change when the unit goes (Molchanov et al. 2017,
    "Pruning Convolutional Neural Networks for Resource Efficient Inference"), with the mask as the
    variable (Michel et al. 2019, "Are Sixteen Heads Really Better than One?", equation 2). Since
    `dL/dm = sum of W dL/dW` over the weights that read the unit, it is also the vectorised first-order
    score of Ma et al. 2023 ("LLM-Pruner"), taken on those weights alone. The absolute value is taken by
    sequence: a plain mean lets sequences cancel.
    """

    name: ClassVar[str] = "taylor"
    summary: ClassVar[str] = "first-order change of the loss with the unit's mask"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (AbsoluteGradient,)

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Mean absolute mask gradients `[units]`, in loss per sequence."""
        return collected[AbsoluteGradient].mean(family)
