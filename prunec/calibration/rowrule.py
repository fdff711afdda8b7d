"""The rule by which entries of every row of a matrix stay, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from prunec.calibration.rowselection import KEPT, by_density_grid, drawn, entries, largest, rarest
from prunec.errors import InputError

Mode = Literal["faithful", "delta", "magnitude", "random"]


@dataclass(frozen=True)
class RowRule:
    """How entries of a row are chosen.

    Attributes:
        mode: `faithful` as KEN was published, `delta` by the rarest values, which are changes, `magnitude`, `random`.
        keep: the share of each row that stays, one entry at least; half of it where neither this nor `rows` is given.
        rows: entries that stay of each row, as far as it has as many, in the place of `keep`.
    """

    mode: Mode = "faithful"
    keep: float | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"there is no mode {self.mode}", f"give one of {', '.join(get_args(Mode))}")
        if self.keep is not None and self.rows is not None:
            raise InputError("keep and rows both say how many entries of a row stay", "give one of them")
        if self.rows is None and self.keep is None:
            object.__setattr__(self, "keep", KEPT)
        if self.keep is not None and not 0 < self.keep <= 1:
            raise InputError(f"keep {self.keep:g} is not a share of a row", "give more than 0 and 1 at most")
        if self.rows is not None and self.rows < 1:
            raise InputError(f"{self.rows} entries of a row cannot stay", "give rows of 1 or more")

    @property
    def label(self) -> str:
        """How many stay, as part of a file name: `0.25`, `16rows`."""
        return f"{self.keep:.12g}" if self.rows is None else f"{self.rows}rows"

    def count(self, length: int) -> int:
        """Entries that stay of a row of `length`."""
        return min(self.rows, length) if self.rows is not None else entries(length, self.keep or KEPT)

    def chosen(self, values: np.ndarray, seed: int) -> np.ndarray:
        """The entries of `values` `[rows, n]` that stay: `[rows, count]`, ascending; `seed` is for `random`."""
        count = self.count(values.shape[1])
        if self.mode == "random":
            return drawn(values, count, seed)
        choose = {"faithful": by_density_grid, "delta": rarest, "magnitude": largest}[self.mode]
        return choose(values, count)


def read_rules(
    mode: Mode, keep: float | Sequence[float] | None, rows: int | Sequence[int] | None
) -> RowRule | tuple[RowRule, ...]:
    """The rule of one share or number of entries; of a list or tuple of them, one each in its order.

    Raises:
        InputError: as `RowRule` does, or a list is empty, given beside another number, or names one twice.
    """
    asked: dict[str, Any] = {"keep": keep, "rows": rows}
    name = next((name for name, value in asked.items() if isinstance(value, Sequence)), None)
    if name is None:
        return RowRule(mode, **asked)
    if not asked[name]:
        raise InputError(f"an empty list is given as {name}", "give at least one")
    found = tuple(RowRule(mode, **{**asked, name: value}) for value in asked[name])
    for rule in found:
        if found.count(rule) > 1:
            raise InputError(f"{name} {rule.label} is given twice", "give each once")
    return found
