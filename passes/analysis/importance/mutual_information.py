"""Mutual information: how much a unit says that others, or the sublayer's output, say as well."""

from __future__ import annotations

from typing import ClassVar
from zlib import crc32

import numpy as np

from prunec.calibration.entropy import excess, kernel
from prunec.calibration.sampling import TokenSample
from prunec.calibration.statistics import Collected, Statistic, features_by_unit
from prunec.facts import Family, Site
from prunec.ir.program import Program

from .criterion import Criterion, SummedCriterion

SHUFFLES = 2
"""Shuffles that the estimate for independent units is a mean of."""


class MutualInformation(Criterion):
    """Redundancy: units go from the pair that says most alike, the one of the two that matters less first.

    Huang, Song and Pao 2024, "Large Language Model Pruning" (Renyi entropy between neurons of one layer; their code
    and the choice within a pair are not published). Ours differs on purpose: order 2 for all pairs at once; what
    shuffled samples score is subtracted, as it is most of the raw figure; of a pair, the unit goes that changes the
    sublayer's output less, `mean ||W a||^2` on the same sample; heads are compared by all their features. A unit's
    score is how much less redundant the closest pair was when its turn came than the closest of all, in bits. Units
    alike are not unimportant: what is left must be re-fitted, which merges the one that goes into those that stay.
    """

    name: ClassVar[str] = "mutual-information"
    summary: ClassVar[str] = "how little of what the unit says is said by another"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (TokenSample,)

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in bits."""
        alike, sizes = np.zeros((family.units, family.units)), np.zeros(family.units)
        for site in family.readers().values():
            samples, columns = _by_unit(collected, family, site), _columns(program, site)[features_by_unit(site)]
            kernels = np.stack([kernel(unit) for unit in samples])
            alike += excess(kernels, kernels, SHUFFLES, _seed(self.seed, family))
            sizes += ((samples.transpose(0, 2, 1) @ samples) * (columns @ columns.transpose(0, 2, 1))).sum((1, 2))
        return _from_closest_pair(alike, sizes)


class OutputInformation(SummedCriterion):
    """`I(unit; output of the sublayer's projection)` of order 2, in bits, less that of shuffled samples.

    How much of what the next layers see the unit alone tells: unlike redundancy it grows with importance.
    """

    name: ClassVar[str] = "output-information"
    summary: ClassVar[str] = "how much the unit alone tells of the sublayer's output"
    statistics: ClassVar[tuple[type[Statistic], ...]] = (TokenSample,)

    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in bits; none below 0."""
        output = collected[TokenSample].rows(family, site) @ _columns(program, site)
        kernels = np.stack([kernel(unit) for unit in _by_unit(collected, family, site)])
        found = excess(kernels, kernel(output)[None], SHUFFLES, _seed(self.seed, family))
        return np.asarray(np.maximum(found[:, 0], 0))


def _seed(seed: int, family: Family) -> int:
    return crc32(family.name.encode(), seed & 0xFFFFFFFF)


def _by_unit(collected: Collected, family: Family, site: Site) -> np.ndarray:
    """The sample by unit: `[units, tokens, features per unit]`."""
    return collected[TokenSample].rows(family, site)[:, features_by_unit(site)].transpose(1, 0, 2)


def _columns(program: Program, site: Site) -> np.ndarray:
    """The weight that reads the family, `[features, outputs]`."""
    columns: np.ndarray = site.columns(program.tensor(site.weight).detach().double()).numpy()
    return columns


def _from_closest_pair(alike: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The order in which units go as scores: what the closest pair of all shares less what a unit's own pair did."""
    alike = alike.copy()
    np.fill_diagonal(alike, -np.inf)
    scores, left = np.zeros(len(alike)), np.ones(len(alike), dtype=bool)
    best = alike.argmax(1)
    first, latest = float(alike.max()), 0.0
    for _ in range(len(alike) - 1):
        one = int(np.where(left, alike[np.arange(len(alike)), best], -np.inf).argmax())
        other = int(best[one])
        going = one if sizes[one] <= sizes[other] else other
        latest = max(latest, first - float(alike[one, other]))
        scores[going], left[going] = latest, False
        alike[going], alike[:, going] = -np.inf, -np.inf
        stale = np.flatnonzero(left & (best == going))
        best[stale] = alike[stale].argmax(1)
    scores[left] = np.nextafter(latest, np.inf)
    return scores
