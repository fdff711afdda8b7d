"""What stays of each row of the weight matrices, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowSelection:
    """Which entries of each row stay; of a row as many as of any other row of its matrix.

    Attributes:
        mode: how they were chosen, such as `faithful`.
        kept: by tensor name, `[rows, entries that stay]`: their indices along the row, ascending. A row is an index of
            the first axis, the others flattened; in a stack of matrices (three axes), of the first two.
    """

    mode: str
    kept: Mapping[str, np.ndarray]
