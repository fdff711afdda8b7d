"""Random: the control that every other criterion must beat."""

from __future__ import annotations

from typing import ClassVar
from zlib import crc32

import numpy as np

from prunec.calibration.statistics import Collected
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class Random(Criterion):
    """Uniform scores, drawn from the seed and the family's name: the same whatever other families there are."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "drawn at random, as a control"

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Scores `[units]` between 0 and 1."""
        return np.random.default_rng([self.seed, crc32(family.name.encode())]).random(family.units)
