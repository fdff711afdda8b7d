"""What an importance criterion is: the statistics it asks for, and a formula over units, sublayers or both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.statistics import AnyStatistic, Collected
from prunec.facts import Family, Scores, Site, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts


class Measure(ABC):
    """A way to score units or sublayers: higher means keep.

    Attributes:
        name: as `--importance` spells it.
        summary: one line for the report.
        statistics: what is collected from the calibration stream for it.
        reads_text: whether it runs text besides.
        scores_units: whether it scores units.
        needs_truth: whether it makes sense only for a loss against what is right (`Objective.knows_truth`).

    Args:
        seed: of what is drawn at random, where anything is.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    statistics: ClassVar[tuple[type[AnyStatistic], ...]] = ()
    reads_text: ClassVar[bool] = False
    scores_units: ClassVar[bool] = True
    needs_truth: ClassVar[bool] = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def wants(self) -> tuple[type[AnyStatistic], ...]:
        """What is collected for this one."""
        return self.statistics

    def text(self, facts: Facts) -> str:
        """The hash of the text that it reads; empty where it reads none."""
        return facts[Corpus].data_hash if self.wants() or self.reads_text else ""

    @abstractmethod
    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Scores by this criterion; `facts` are those of the importance pass."""


class Criterion(Measure):
    """A criterion of units, one family at a time; scores are compared within a family."""

    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Scores of every family."""
        families = facts[Structure].families
        return Scores(
            self.name, self.text(facts), {family.name: self.score(program, family, collected) for family in families}
        )

    @abstractmethod
    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]` of one family."""


class SummedCriterion(Criterion):
    """A criterion that looks at one weight that reads the family at a time; several are added up."""

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]` of one family."""
        total = np.zeros(family.units)
        for site in family.readers().values():
            total += self.at(program, family, site, collected)
        return total

    @abstractmethod
    def at(self, program: Program, family: Family, site: Site, collected: Collected) -> np.ndarray:
        """Scores `[units]` of one family by the weight that reads it at `site`."""
