"""Wanda, structured: weight size times activation norm, summed over everything a unit is read by."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import Collected, FeatureSums, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import SummedCriterion


class Wanda(SummedCriterion):
    """`sum over the unit's features f of mean over outputs of |W[o, f]| rms(a_f)`.

    Sun et al. 2024, "A Simple and Effective Pruning Approach for Large Language Models", equation 1,
    scores single weights by `|W| ||X_f||`. The structured form is that of the comparison in An et al.
    2024 ("FLAP"): the mean over the outputs of the weights that read a unit. Here the norm over the
    stream is divided by the square root of its length, which changes no order. Where several weights
    read the family, their scores are added.
    """

    name: ClassVar[str] = "wanda"
    summary: ClassVar[str] = "weight size times activation norm, over all that read the unit"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in units of one output."""
        norms = np.sqrt(collected[FeatureSums].mean(family, site)[FeatureSums.SQUARE])
        sizes = site.columns(program.tensor(site.weight).detach().double()).abs().mean(1).numpy()
        return np.asarray((sizes * norms)[features_by_unit(site)].sum(1))
