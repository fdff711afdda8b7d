"""The integer solver: scipy's HiGHS, silent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from prunec.errors import BudgetError, PassError

GAP = 1e-4
"""How far above the least sum, as a share of it, an answer may be."""
NODES = 500
"""Branches after which the best answer found is taken: a limit of time would make plans depend on the machine. Choices
among equal layers are decided within a hundred as a rule; where damage grows all but linearly with cost the gap stays
above `GAP` at first, and below 0.2 % after so many."""
INFEASIBLE = 2


def least(values: NDArray[np.float64], constraints: Sequence[LinearConstraint]) -> NDArray[np.bool_]:
    """Which columns to take so that the sum of their `values` is least under `constraints`, `[columns]`.

    Raises:
        BudgetError: nothing satisfies the constraints.
        PassError: the solver found nothing within its limit.
    """
    with _silent():
        result = milp(
            values,
            constraints=constraints,
            integrality=np.ones(values.size, dtype=np.int64),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": GAP, "node_limit": NODES},
        )
    if result.x is None:
        if result.status == INFEASIBLE:
            raise BudgetError("no choice of sizes meets the budget", "ask for a larger budget")
        raise PassError(f"the integer solver found nothing ({result.message})", "try fewer `sizes`")
    return np.asarray(result.x > 0.5)


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing that native code prints reaches standard output: HiGHS prints a line of its own now and then."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
