"""Mutual information: how much a unit says that others, or the sublayer's output, say as well."""

from __future__ import annotations

from typing import ClassVar
from zlib import crc32

import numpy as np

from prunec.calibration.entropy import excess, excess_of_pairs, kernel
from prunec.calibration.sampling import TokenSample
from prunec.calibration.statistics import AnyStatistic, Collected, Gram, features_by_unit
from prunec.facts import Family, Scores, Site, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .criterion import Criterion, SummedCriterion

SHUFFLES = 2
"""Shuffles that the estimate for independent units is a mean of."""

SHORTLIST = 64
"""Pairs of a family that are looked at again near order 1."""


class MutualInformation(Criterion):
    """Redundancy: units go from the pair that says most alike, the one of the two that matters less first.

    Huang, Song and Pao 2024, "Large Language Model Pruning" (Renyi entropy between neurons of one layer; their code
    and the choice within a pair are not published). Ours differs on purpose: order 2 for all pairs at once; what
    shuffled samples score is subtracted, as it is most of the raw figure; of a pair, the unit goes that changes the
    sublayer's output less, `mean ||W a||^2` on the same sample; heads are compared by all their features.

    Order 1, or near it, is the usual one, takes eigenvalues of every pair, and ranks pairs otherwise. The `SHORTLIST`
    closest pairs of a family are computed again at order 1.01, less what shuffled samples score there, and share out
    their figures anew by it, the closest of order 1.01 the highest: that changes who goes first among them, and
    nothing behind them.

    A unit's score is how much less redundant the closest pair was when its turn came than the closest of all, in
    bits of order 2; its partner is the other one of that pair. Units alike are not unimportant: what is left must be
    re-fitted, or take over what its partner did (`recover{merge}`), for which second moments are collected.
    """

    name: ClassVar[str] = "mutual-information"
    summary: ClassVar[str] = "how little of what the unit says is said by another"
    statistics: ClassVar[tuple[type[AnyStatistic], ...]] = (TokenSample, Gram)

    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Scores and partners of every family."""
        families = facts[Structure].families
        found = {family.name: self._pairing(program, family, collected) for family in families}
        units, partners = ({name: pair[index] for name, pair in found.items()} for index in (0, 1))
        return Scores(self.name, self.text(facts), units, partners=partners)

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]`, in bits."""
        return self._pairing(program, family, collected)[0]

    def _pairing(self, program: Program, family: Family, collected: Collected) -> tuple[np.ndarray, np.ndarray]:
        """Scores and partners `[units]`."""
        alike, sizes = np.zeros((family.units, family.units)), np.zeros(family.units)
        seed, samples = _seed(self.seed, family), []
        for site in family.readers().values():
            read, columns = _by_unit(collected, family, site), _columns(program, site)[features_by_unit(site)]
            kernels = np.stack([kernel(unit) for unit in read])
            alike += excess(kernels, kernels, SHUFFLES, seed)
            sizes += ((read.transpose(0, 2, 1) @ read) * (columns @ columns.transpose(0, 2, 1))).sum((1, 2))
            samples.append(read)
        pairs = _closest(alike, SHORTLIST)
        nearer = np.zeros(len(pairs))
        for read in samples if len(pairs) else ():
            first, second = (np.stack([kernel(read[unit]) for unit in side]) for side in pairs.T)
            nearer += excess_of_pairs(first, second, SHUFFLES, seed)
        return _from_closest_pair(_shared_out(alike, pairs, nearer), sizes)


class OutputInformation(SummedCriterion):
    """`I(unit; output of the sublayer's projection)` of order 2, in bits, less that of shuffled samples.

    How much of what the next layers see the unit alone tells: unlike redundancy it grows with importance.
    """

    name: ClassVar[str] = "output-information"
    summary: ClassVar[str] = "how much the unit alone tells of the sublayer's output"
    statistics: ClassVar[tuple[type[AnyStatistic], ...]] = (TokenSample,)

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


def _closest(alike: np.ndarray, count: int) -> np.ndarray:
    """The `count` pairs of two units that are most alike, closest first, or all where there are fewer: `[pairs, 2]`."""
    first, second = np.triu_indices(len(alike), 1)
    order = np.argsort(-alike[first, second], kind="stable")[:count]
    return np.stack([first[order], second[order]], axis=1)


def _shared_out(alike: np.ndarray, pairs: np.ndarray, nearer: np.ndarray) -> np.ndarray:
    """`alike` with the figures of `pairs`, which come closest first, shared out anew in the order of `nearer`."""
    shared, (first, second) = alike.copy(), pairs.T
    order = np.argsort(-nearer, kind="stable")
    shared[first[order], second[order]] = shared[second[order], first[order]] = alike[first, second]
    return shared


def _from_closest_pair(alike: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order in which units go, and the partner of each, -1 for the unit that is left.

    The order is given as scores: what the closest pair of all shares less what a unit's own pair did.
    """
    alike = alike.copy()
    np.fill_diagonal(alike, -np.inf)
    scores, left = np.zeros(len(alike)), np.ones(len(alike), dtype=bool)
    partners = np.full(len(alike), -1)
    best = alike.argmax(1)
    first, latest = float(alike.max()), 0.0
    for _ in range(len(alike) - 1):
        one = int(np.where(left, alike[np.arange(len(alike)), best], -np.inf).argmax())
        other = int(best[one])
        going, staying = (one, other) if sizes[one] <= sizes[other] else (other, one)
        latest = max(latest, first - float(alike[one, other]))
        scores[going], partners[going], left[going] = latest, staying, False
        alike[going], alike[:, going] = -np.inf, -np.inf
        stale = np.flatnonzero(left & (best == going))
        best[stale] = alike[stale].argmax(1)
    scores[left] = np.nextafter(latest, np.inf)
    return scores, partners
