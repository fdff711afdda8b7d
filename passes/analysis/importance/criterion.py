"""What an importance criterion is: the statistics it asks for, and a formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from prunec.calibration.statistics import Collected, Statistic
from prunec.facts import Family, Site
from prunec.ir.program import Program


class Criterion(ABC):
    """A way to score units: higher means keep; scores are compared within a family.

    Attributes:
        name: as `--importance` spells it.
        summary: one line for the report.
        statistics: what is collected from the calibration stream for it.
        needs_truth: whether it makes sense only for a loss against what is right (`Objective.knows_truth`).

    Args:
        seed: of what is drawn at random, where anything is.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    statistics: ClassVar[tuple[type[Statistic], ...]] = ()
    needs_truth: ClassVar[bool] = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def wants(self) -> tuple[type[Statistic], ...]:
        """What is collected for this one."""
        return self.statistics

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
