"""Head gradient: how strongly a labelled task's loss answers to a unit's mask."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import AbsoluteGradient, Collected, Statistic
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class HeadGradient(Criterion):
    """`mean over sequences of |dL/dm|` at m = 1, with L the loss against the right answer on one sequence.

    L is the cross-entropy of a classifier against the labels, or of a generative model against its text, which labels
    itself. It is `taylor` on a loss that knows what is right: where a task has no such loss, `taylor` takes what the
    model itself would say, and this criterion refuses. All scores are of one loss at masks of one size, so those of
    different layers can be compared.

    What Do et al. 2025 (arXiv 2506.02005) set out to compute, for heads. Their published code squares the gradient by
    channels of a layer's output, which are no heads, over one batch in training mode, and rescales it by layer. Ours is
    of the mask on what the head hands on (Michel et al. 2019, equation 2), over all batches, without dropout.
    """

    name: ClassVar[str] = "head-gradient"
    summary: ClassVar[str] = "first-order change of the labelled task's loss with the unit's mask"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (AbsoluteGradient,)
    needs_truth: ClassVar[bool] = True

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Mean absolute mask gradients `[units]`, in loss per sequence."""
        return collected[AbsoluteGradient].mean(family)
