"""KEN: how much of a unit's weights the choice by density grid keeps."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from prunec.calibration.rowselection import KEPT, by_density_grid, entries, is_matrix, rows_of
from prunec.calibration.statistics import Collected
from prunec.calibration.unitshares import unit_shares
from prunec.facts import Family
from prunec.ir.program import Program

from .criterion import Criterion


class Ken(Criterion):
    """The share of the unit's weights that stay when half of every row of a matrix does.

    Mastromattei and Zanzotto 2024 ("Less is KEN") reset single weights, which shrinks nothing; a unit of which all
    were reset could go. Chosen as their released code does (the pass `ken`), from the weights alone. Each row keeps as
    many as any other, so that only those of a unit's weights that lie across the rows, as in a projection that reads
    it, tell units apart. Evenly spaced values stay, large ones among them: the order is near that of magnitude.
    """

    name: ClassVar[str] = "ken"
    summary: ClassVar[str] = "share of the unit's weights that a choice by density in every row keeps"

    def score(self, program: Program, family: Family, collected: Collected) -> np.ndarray:
        """Shares `[units]`, between 0 and 1."""

        def kept(name: str) -> np.ndarray | None:
            tensor = program.tensor(name)
            if not is_matrix(tensor):
                return None
            rows = rows_of(tensor)
            stays = np.zeros(rows.shape, dtype=bool)
            np.put_along_axis(stays, by_density_grid(rows, entries(rows.shape[1], KEPT)).astype(np.intp), True, 1)
            return stays.reshape(tensor.shape)

        return unit_shares(family, kept)
