"""A solution path: one order of all units, of which every budget keeps a beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SolutionPath:
    """When each unit enters: the earlier, the more it matters, across families. Plans that keep a beginning nest.

    Attributes:
        method: the pass that followed it, with its settings.
        data_hash: hash of the calibration text.
        entries: per family name, `[units]`, the time of entry.
    """

    method: str
    data_hash: str
    entries: Mapping[str, np.ndarray]
