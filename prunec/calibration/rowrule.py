"""The rule by which entries of every row of a matrix stay, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from prunec.calibration.rowselection import KEPT, by_density_grid, drawn, entries, largest, rarest
from prunec.errors import InputError

Mode = Literal["faithful", "delta", "magnitude", "random"]


@dataclass(frozen=True)
class RowRule:
    """How entries of a row are chosen.

    Attributes:
        mode: `faithful` as KEN was published, `delta` by the rarest values, which are changes, `magnitude`, `random`.
        keep: the share of each row that stays, one entry at least.
        rows: entries that stay of each row, as far as it has as many, in the place of `keep`.
    """

    mode: Mode = "faithful"
    keep: float = KEPT
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"there is no mode {self.mode}", f"give one of {', '.join(get_args(Mode))}")
        if not 0 < self.keep <= 1:
            raise InputError(f"keep {self.keep:g} is not a share of a row", "give more than 0 and 1 at most")
        if self.rows is not None and self.rows < 1:
            raise InputError(f"{self.rows} entries of a row cannot stay", "give rows of 1 or more")

    def chosen(self, values: np.ndarray, seed: int) -> np.ndarray:
        """The entries of `values` `[rows, n]` that stay: `[rows, count]`, ascending; `seed` is for `random`."""
        length = values.shape[1]
        count = entries(length, self.keep) if self.rows is None else min(self.rows, length)
        if self.mode == "random":
            return drawn(values, count, seed)
        choose = {"faithful": by_density_grid, "delta": rarest, "magnitude": largest}[self.mode]
        return choose(values, count)
