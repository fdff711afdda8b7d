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
    be compared, as in `flap-standard`; here scores are compared within a family alone, and measured damage
    compares families. The variance is that of the stream, `mean(a^2) - mean(a)^2` in float64;
    the released code scales it with the length of the stream.
    """

    name: ClassVar[str] = "flap"
    summary: ClassVar[str] = "fluctuation of the sublayer's output that a bias could not replace"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in squared units of the residual stream."""
        return np.asarray(_fluctuations(program, site, collected[FeatureSums].mean(family, site)).mean(1))


class StandardFlap(SummedCriterion):
    """FLAP's scores, standardised over each layer: units of all layers can be compared by them.

    An et al. 2024, as their code computes it: the fluctuation of each feature, in attentions its square,
    less the mean over the layer's features, divided by their standard deviation; of that the mean over a unit's
    features. The score is e to that power, which puts units in the same order and is never below 0.
    """

    name: ClassVar[str] = "flap-standard"
    summary: ClassVar[str] = "fluctuation of the sublayer's output that a bias could not replace, standardised by layer"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]`, without unit."""
        found = _fluctuations(program, site, collected[FeatureSums].mean(family, site))
        if family.kind in ("head", "kv_group"):
            found = found**2
        deviation = found.std(ddof=1) if found.size > 1 else 0.0
        return np.asarray(np.exp((found - found.mean()).mean(1) / (deviation or 1.0)))


def _fluctuations(program: Program, site: Site, sums: np.ndarray) -> np.ndarray:
    """`Var(a_f) ||W[:, f]||^2` of every feature, `[units, features per unit]`, from mean `sums` `[3, features]`."""
    variances = np.maximum(sums[FeatureSums.SQUARE] - sums[FeatureSums.PLAIN] ** 2, 0)
    columns = site.columns(program.tensor(site.weight).detach().double())
    return np.asarray((variances * columns.square().sum(1).numpy())[features_by_unit(site)])
