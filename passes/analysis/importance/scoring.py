"""Scoring by several criteria at once: one pass over the text collects what all of them ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.executor import collect
from prunec.calibration.objective import Goal
from prunec.calibration.statistics import Collected, Gram
from prunec.facts import Family, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .criterion import Criterion


@dataclass(frozen=True)
class Scored:
    """Every unit's scores by each criterion, and what was collected for them.

    Attributes:
        units: by criterion and family, `[units]`.
        statistics: what the text gave; empty where no criterion reads text.
    """

    units: Mapping[str, Mapping[str, np.ndarray]]
    statistics: Collected

    def moments(self, families: Iterable[Family]) -> SecondMoments | None:
        """Second moments where each family is read, if some criterion asked for them."""
        if Gram not in self.statistics:
            return None
        grams = self.statistics[Gram]
        return SecondMoments(
            {
                family.name: {name: grams.mean(family, site) for name, site in family.readers().items()}
                for family in families
            }
        )


def score(program: Program, facts: Facts, context: Context, criteria: Mapping[str, type[Criterion]]) -> Scored:
    """Score every family of the structure in `facts` by each of `criteria`, in one pass over the scoring text.

    Raises:
        PassError: an activation is not finite; the family is named.
    """
    structure = facts[Structure]
    made = {name: kind(context.seed) for name, kind in criteria.items()}
    statistics = Collected(kind for criterion in made.values() for kind in criterion.statistics)
    if statistics:
        collect(
            program,
            structure,
            facts[Corpus].score,
            statistics,
            facts[Goal].objective,
            seed=context.seed,
            progress=context.progress,
        )
    units = {
        name: {family.name: criterion.score(program, family, statistics) for family in structure.families}
        for name, criterion in made.items()
    }
    return Scored(units, statistics)
