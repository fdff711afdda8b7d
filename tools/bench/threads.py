"""The threads that torch has while something is timed."""

from __future__ import annotations

import os

import torch

from prunec.cost.workload import default_threads

LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables of the environment that leave torch fewer threads than it would take."""


def enough_threads(threads: int | None = None) -> None:
    """End the tool where the environment leaves torch fewer than `threads`, or than there are processors.

    Scoring, re-fitting and training would take several times as long as in other rows, while the runtime, which is told
    how many threads to use, would be as fast.

    Args:
        threads: of the runtime; every processor that this process may use, by default.
    """
    wanted = min(threads or default_threads(), default_threads())
    held = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    if held and torch.get_num_threads() < wanted:
        raise SystemExit(
            f"{' and '.join(held)} leaves torch {torch.get_num_threads()} of {wanted} threads, so that times would "
            "mean nothing; unset it"
        )
