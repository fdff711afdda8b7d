"""Activation: how large what a unit hands on is, whatever is done with it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import Collected, FeatureSums, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import SummedCriterion


class Activation(SummedCriterion):
    """`mean over tokens and the unit's features of |a|`.

    Knows nothing of the weights that read the unit: one whose output is projected to zero can score
    high. Where several weights read the family, their means are added.
    """

    name: ClassVar[str] = "activation"
    summary: ClassVar[str] = "mean size of what the unit hands on"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Mean absolute activations `[units]`."""
        sizes = collected[FeatureSums].mean(family, site)[FeatureSums.ABSOLUTE]
        return np.asarray(sizes[features_by_unit(site)].mean(1))


class ActivationNorm(SummedCriterion):
    """`sqrt(mean over tokens of the sum over the unit's features of a^2)`.

    The L2 norm over the stream, divided by the square root of its length, so that it does not grow
    with it. Like the mean, it knows nothing of the weights that read the unit.
    """

    name: ClassVar[str] = "activation-l2"
    summary: ClassVar[str] = "root mean square of what the unit hands on"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (FeatureSums,)

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Root mean squares `[units]`."""
        return np.asarray(np.sqrt(super().score(program, family, collected)))

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Mean squares `[units]`."""
        squares = collected[FeatureSums].mean(family, site)[FeatureSums.SQUARE]
        return np.asarray(squares[features_by_unit(site)].sum(1))
