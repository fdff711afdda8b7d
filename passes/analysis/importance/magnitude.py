"""Magnitude: the norm of the weights that go with a unit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from prunec.calibration.statistics import Collected
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class Magnitude(Criterion):
    """`sqrt(sum of squares)` over every slice of every tensor that goes with the unit.

    The structured form of magnitude pruning (Li et al. 2017, "Pruning Filters for Efficient
    ConvNets"), with the joint norm over coupled slices in the place of one filter's. Reads no text.
    """

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = "norm of the weights that go with a unit"

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Norms `[units]`, in weight units."""
        total = torch.zeros(family.units, dtype=torch.float64)
        for slot in family.slots:
            tensor = program.tensor(slot.tensor).detach().double()
            squares = tensor.movedim(slot.dim, 0).reshape(tensor.shape[slot.dim], -1).square().sum(1)
            total += squares[torch.from_numpy(slot.positions)].sum(1)
        return total.sqrt().numpy()
