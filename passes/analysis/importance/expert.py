"""Expert: what matters on any of several named corpora stays; what none of them needs goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from prunec.calibration.statistics import AnyStatistic, Collected
from prunec.errors import InputError
from prunec.facts import Family, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Facts

from .activation_weight import ActivationWeight
from .criterion import Criterion, Measure


class Expert(Criterion):
    """`max over corpora c of r_c(u)`, with r_c the share of the family's units that score no higher on c than u does.

    Zhao et al. 2025 ("Cus-Prun", arXiv 2506.02561): an expert serves chosen dimensions (a language, a
    domain, a task), each with a corpus; a unit whose impact on a corpus, the squared change of its layer's output
    when it goes, is below a threshold is irrelevant to that dimension; what is irrelevant to all of them goes. The
    threshold follows from the ratio wanted. Ours takes ranks within the family for raw impacts, since a corpus on
    which everything is large would decide alone, and the mean over a corpus for its every document. A low set is then
    `L_c(t) = {u: r_c(u) <= t}`, and `u` is in all of them just where `max_c r_c(u) <= t`: no threshold is searched
    for. The k lowest scores are the intersection at the least t at which it holds k units, but for ties at t itself.
    Those are broken by the mean rank, which adds less than two different maxima lie apart.

    On one corpus the order is that of the criterion beneath.

    Args:
        seed: as for every criterion.
        base: what scores on one corpus; the published impact, `activation-weight`, unless given.

    Raises:
        InputError: `base` reads no text, so that corpora do not differ in it, or is an expert itself.
    """

    name: ClassVar[str] = "expert"
    summary: ClassVar[str] = "highest rank on any named text, so that what none needs goes first"

    def __init__(self, seed: int = 0, base: Measure | None = None) -> None:
        super().__init__(seed)
        base = ActivationWeight(seed) if base is None else base
        if isinstance(base, Expert) or not isinstance(base, Criterion) or not base.wants():
            raise InputError(
                f"expert cannot go over {base.name}", "name a criterion of units that reads text, as in expert:taylor"
            )
        self.base = base

    def wants(self) -> tuple[type[AnyStatistic], ...]:
        """What the criterion beneath asks for."""
        return self.base.wants()

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]` by one corpus."""
        return highest_rank([self.base.score(program, family, collected)])

    def across(self, program: Program, facts: Facts, corpora: Sequence[Collected]) -> Scores:
        """Scores of every family by what each corpus gave: above 0, and 1 at most but for the tie-break."""
        units = {
            family.name: highest_rank([self.base.score(program, family, collected) for collected in corpora])
            for family in facts[Structure].families
        }
        return Scores(self.name, self.text(facts), units)


def highest_rank(scores: Sequence[np.ndarray]) -> np.ndarray:
    """The highest of each unit's rank shares `[units]` by several `scores` `[units]`; ties by the mean share."""
    # Sorted, so that the sum is the same whichever corpus comes first.
    shares = np.sort([rankdata(values) / len(values) for values in scores], axis=0)
    # Ranks are multiples of a half, so that two maxima lie 0.5 / units apart at least, and two means less than 1.
    return np.asarray(shares.max(0) + shares.mean(0) * 0.5 / shares.shape[1])
