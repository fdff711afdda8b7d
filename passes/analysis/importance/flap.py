"""FLAP: how much of what a unit contributes a constant could not stand in for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import Collected, FeatureSums, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import SummedCriterion


class Flap(SummedCriterion):
    """`mean over the unit's features f of Var(a_f) ||W[:, f]||^2`: the fluctuation that a bias cannot replace.

    An et al. 2024, "Fluctuation-based Adaptive Structured Pruning for Large Language Models", equation
    5. There the scores are standardised a layer (those of attention squared before), so that layers can
    be compared; here scores are compared within a family alone, where that changes no order, and measured
    damage compares families. The variance is that of the stream, `mean(a^2) - mean(a)^2` in float64;
    the released code scales it with the length of the stream.
    """

    name: ClassVar[str] = "flap"
    summary: ClassVar[str] = "fluctuation of the sublayer's output that a bias could not replace"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in squared units of the residual stream."""
        sums = collected[FeatureSums].mean(family, site)
        variances = np.maximum(sums[FeatureSums.SQUARE] - sums[FeatureSums.PLAIN] ** 2, 0)
        columns = site.columns(program.tensor(site.weight).detach().double())
        return np.asarray((variances * columns.square().sum(1).numpy())[features_by_unit(site)].mean(1))
