"""Reconstruction: the output change when a unit goes and those that are left make up for it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.compensation import damped
from prunec.calibration.statistics import Collected, Gram, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import SummedCriterion

STEPS = 96
"""Units of a large family go in so many steps; within one, their scores are not updated."""


class Reconstruction(SummedCriterion):
    """Backward elimination with compensation (optimal brain surgeon, structured).

    With H the second moments of the site's activations and W its weight `[features, outputs]`, the
    least increase of the mean squared output change when unit S goes is
    `tr(W_S^T ([H^-1]_SS)^-1 W_S)`; then `W -= H^-1_:S ([H^-1]_SS)^-1 W_S` and
    `H^-1 -= H^-1_:S ([H^-1]_SS)^-1 H^-1_S:`. Units go lowest first, a few at a time; a unit's score is
    the increase when its turn came, so scores grow along the order of removal and their running sum is
    the error of the whole removal. This is the structure of ZipLM (Kurtic et al. 2023, equations 2 and
    3), there one unit at a time and with the updated weights kept; here the order is what counts, and
    recovery re-fits afterwards.
    """

    name: ClassVar[str] = "reconstruction"
    summary: ClassVar[str] = "squared change of the sublayer's output when the unit goes and the others are re-fitted"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (Gram,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Error increases `[units]`, in squared units of the residual stream."""
        moments = torch.from_numpy(collected[Gram].mean(family, site))
        columns = site.columns(program.tensor(site.weight).detach().double())
        increases = _eliminate(damped(moments), columns, torch.from_numpy(features_by_unit(site)))
        return np.asarray(increases.numpy())


def _eliminate(moments: Tensor, weight: Tensor, units: Tensor) -> Tensor:
    # Rows unit by unit, and only those of units that are left: what is gone changes nothing that is asked for later,
    # and a third of the products is left to compute.
    rows = units.reshape(-1)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))[rows[:, None], rows]
    weight = weight[rows]
    left, size = torch.arange(len(units)), units.shape[1]
    scores = torch.zeros(len(units), dtype=torch.float64)
    step, highest = max(1, len(units) // STEPS), torch.zeros((), dtype=torch.float64)
    while len(left):
        increases = _increases(inverse, weight, size)
        order = increases.argsort()[:step]
        # Never below what went before: the order of the scores is the order of removal.
        scores[left[order]] = highest + (increases[order] - highest).clamp(min=0).cummax(0).values
        highest = scores[left[order]].max()
        stays = torch.ones(len(left), dtype=torch.bool)
        stays[order] = False
        gone, kept = (_rows_of(places, size) for places in (order, stays.nonzero()[:, 0]))
        factor = torch.linalg.cholesky(inverse[gone[:, None], gone])
        half = torch.linalg.solve_triangular(factor, inverse[gone[:, None], kept], upper=False)
        weight = weight[kept] - half.T @ torch.linalg.solve_triangular(factor, weight[gone], upper=False)
        inverse = inverse[kept[:, None], kept].addmm_(half.T, half, alpha=-1)
        left = left[stays]
    return scores


def _rows_of(places: Tensor, size: int) -> Tensor:
    """The rows of the units at `places`, where each has `size`."""
    return (places[:, None] * size + torch.arange(size)).reshape(-1)


def _increases(inverse: Tensor, weight: Tensor, size: int) -> Tensor:
    """What the output changes by when each unit goes next."""
    if size == 1:
        return weight.square().sum(1) / inverse.diagonal()
    count = len(inverse) // size
    blocks = inverse.view(count, size, count, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    factors = torch.linalg.cholesky(blocks)
    halves: Tensor = torch.linalg.solve_triangular(factors, weight.view(count, size, -1), upper=False)
    return halves.square().sum((1, 2))
