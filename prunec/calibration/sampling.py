"""A sample of the stream's tokens: for what cannot be said as a sum, such as how two units depend on each other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from prunec.calibration.statistics import Key, Statistic, key_of
from prunec.errors import InputError
from prunec.facts import Family, Site


class TokenSample(Statistic):
    """What each family hands on at `SIZE` tokens drawn evenly from the stream: those with the lowest keys.

    All families see the same tokens, as long as each is read once a token. In a moving average, tokens are drawn by
    their weights `w`: Efraimidis and Spirakis 2006 ("Weighted random sampling with a reservoir", algorithm A-Res) keep
    the highest `u^(1/w)`, u uniform, and so the lowest `-log(u) / w`. Keys are kept in this form, of `1 - u`, which
    with equal weights is the order of u.
    """

    name: ClassVar[str] = "token-sample"
    wants_keys: ClassVar[bool] = True
    SIZE: ClassVar[int] = 128
    LEAST: ClassVar[int] = 32
    """Tokens below which an estimate says nothing; what is read once a text has few."""

    def __init__(self) -> None:
        self._rows: dict[Key, np.ndarray] = {}
        self._keys: dict[Key, np.ndarray] = {}

    def update(self, family: Family, values: Tensor, site: Site | None = None, keys: np.ndarray | None = None) -> None:
        """Take one batch in, `[tokens, features]`, and keep what has the lowest keys so far."""
        assert keys is not None, "tokens are sampled by their keys"
        key, rows, keys = key_of(family, site), values.numpy(), -np.log1p(-keys.astype(np.float64))
        if key in self._rows:
            rows, keys = np.concatenate([self._rows[key], rows]), np.concatenate([self._keys[key], keys])
        lowest = np.argsort(keys, kind="stable")[: self.SIZE]
        self._rows[key], self._keys[key] = rows[lowest].astype(np.float64), keys[lowest]

    def fade(self, kept: float) -> None:
        """Make what was drawn so far less likely to stay: its weights shrink, so its keys grow."""
        with np.errstate(over="ignore"):  # what is infinitely old goes first
            self._keys = {key: keys / kept for key, keys in self._keys.items()}

    def rows(self, family: Family, site: Site) -> np.ndarray:
        """The sample at the site, `[tokens, features]`: `SIZE` tokens, or all where fewer were read.

        Raises:
            InputError: fewer than `LEAST` were read there.
        """
        rows = self._rows[key_of(family, site)]
        if len(rows) < self.LEAST:
            raise InputError(
                f"a sample of {self.LEAST} tokens is needed, and the scoring text gives {family.name} only {len(rows)}",
                "give more text with --calibration, or score more of it: calibrate{score=...}",
            )
        return rows
