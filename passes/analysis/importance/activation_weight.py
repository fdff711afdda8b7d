"""Activation times weight: the exact squared change of a sublayer's output when a unit alone is deleted."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from prunec.calibration.statistics import Collected, Statistic, UnitMoments, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import SummedCriterion


class ActivationWeight(SummedCriterion):
    """`mean over tokens of ||sum over the unit's features f of a_f W[:, f]||^2`.

    For a neuron this is `mean(a^2) ||W[:, k]||^2`; for a head or KV group it is the trace of the
    product of the features' second moments with the Gram matrix of their weight columns, so that what
    features of one head cancel between them counts as nothing. Both are exact for one deleted unit; for
    a convolution, as far as neighbouring places are independent. Where several weights read the
    family, their changes are added.
    """

    name: ClassVar[str] = "activation-weight"
    summary: ClassVar[str] = "exact squared change of the sublayer's output when the unit alone goes"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (UnitMoments,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Mean squared output change `[units]`, in squared units of the residual stream."""
        moments = torch.from_numpy(collected[UnitMoments].mean(family, site))
        columns = site.columns(program.tensor(site.weight).detach().double())
        units = columns[torch.from_numpy(features_by_unit(site))]
        change: np.ndarray = (moments * (units @ units.transpose(1, 2))).sum((1, 2)).numpy()
        return change
