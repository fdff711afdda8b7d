"""Kernel density: how spread out what a unit contributes is, and how rare its weights are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter1d

from prunec.calibration.entropy import spread_entropy
from prunec.calibration.sampling import TokenSample
from prunec.calibration.statistics import Collected, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import Criterion, SummedCriterion

BINS = 2048
"""Bins of the histogram that stands for the weights of a tensor."""


class ActivationDensity(SummedCriterion):
    """`-log2 mean over token pairs of exp(-|c_i - c_j|^2 / 4h^2)` of the unit's contributions c.

    The quadratic entropy of a Gaussian kernel density estimate (Principe 2010, "Information Theoretic Learning",
    equation 2.14, without the constant that normalises the kernel), with one bandwidth for the whole family, so that
    a unit counts by how far it spreads. A contribution is the unit's activations, each times the norm of the weights
    that read it. A unit that hands on a constant has an entropy of 0, however large the constant; one that is rarely
    active has little. No published pruning method is reproduced.
    """

    name: ClassVar[str] = "kde-activation"
    summary: ClassVar[str] = "entropy of the estimated density of what the unit contributes"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (TokenSample,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Entropies `[units]`, in bits."""
        norms = site.columns(program.tensor(site.weight).detach().double()).norm(dim=1).numpy()
        contributions = (collected[TokenSample].rows(family, site) * norms)[:, features_by_unit(site)]
        return spread_entropy(contributions.transpose(1, 0, 2))


class WeightDensity(Criterion):
    """`mean over the unit's weights of -log2 p(w)`, p the Gaussian kernel density of all of the family's weights there.

    Rare weights count, common ones (around zero) do not: what KEN (Mastromattei and Zanzotto 2024) does in effect
    when it keeps values from all over the range of a row. Silverman's bandwidth, on a histogram of 2,048 bins; of
    several tensors that go with a unit each weight counts once. Reads no text.
    """

    name: ClassVar[str] = "kde-weight"
    summary: ClassVar[str] = "how rare the unit's weights are among its family's"

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Mean surprise `[units]`, in bits over the commonest weight's."""
        total, count = np.zeros(family.units), 0
        for slot in family.slots:
            tensor = program.tensor(slot.tensor).detach().double().movedim(slot.dim, 0)
            weights = tensor.reshape(len(tensor), -1).numpy()
            rare = surprise(weights)[slot.positions]
            total += rare.sum((1, 2))
            count += rare[0].size
        return total / count


def surprise(values: np.ndarray) -> np.ndarray:
    """`-log2` of the estimated density of all values, at each of them, less its least: 0 where values are commonest."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros_like(values)
    counts, edges = np.histogram(values, BINS, (low, high))
    bandwidth = 1.06 * values.std() * values.size ** (-0.2)
    density = gaussian_filter1d(counts.astype(float), bandwidth / (edges[1] - edges[0]), mode="constant")
    bits = -np.log2(np.maximum(density, np.finfo(float).tiny))
    return np.asarray(np.interp(values, (edges[1:] + edges[:-1]) / 2, bits - bits.min()))
