"""A request to any artifact: what its inputs are, and arrays of the workload's shape for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from prunec.cost.workload import Workload

LEAST_VOCABULARY = 100
"""Token ids are drawn below this: no vocabulary is known here, and none is smaller."""


@dataclass(frozen=True)
class Feed:
    """One input of an artifact.

    Attributes:
        name: what it is fed by.
        dtype: of its elements.
        shape: a size for each fixed axis, a name for each dynamic one (empty where it has none).
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | str, ...]


def request(feeds: Iterable[Feed], workload: Workload, seed: int = 0) -> dict[str, np.ndarray]:
    """One request of the workload's shape, as arrays by input name, for artifacts of any exporter.

    Axes are told by their names: `batch` in it is the batch; `past` alone in it is what came before; `past` with a sum,
    or `total`, is all; every other one is the sequence, but that a first axis without such a name is the batch. Masks
    are all ones, positions go on from the past, types of tokens and caches are zero, other integers are token ids, and
    floats are drawn from a standard normal.
    """
    generator = np.random.default_rng(seed)
    return {feed.name: _values(feed, workload, generator) for feed in feeds}


def has_length(feeds: Iterable[Feed]) -> bool:
    """Whether requests to an artifact have a length besides their rows: those of images have none."""
    return any(
        np.issubdtype(feed.dtype, np.integer)
        or any(isinstance(axis, str) and not _counts_rows(axis, place) for place, axis in enumerate(feed.shape))
        for feed in feeds
    )


def _values(feed: Feed, workload: Workload, generator: np.random.Generator) -> np.ndarray:
    shape = [_size(axis, place, workload) for place, axis in enumerate(feed.shape)]
    if feed.dtype == np.bool_ or "mask" in feed.name:
        return np.ones(shape, feed.dtype)
    if "position" in feed.name and shape:
        return np.broadcast_to(workload.past + np.arange(shape[-1]), shape).astype(feed.dtype)
    if "type" in feed.name or "past" in feed.name:
        return np.zeros(shape, feed.dtype)
    if np.issubdtype(feed.dtype, np.integer):
        return generator.integers(0, LEAST_VOCABULARY, shape).astype(feed.dtype)
    return generator.standard_normal(shape).astype(feed.dtype)


def _size(axis: int | str, place: int, workload: Workload) -> int:
    if isinstance(axis, int):
        return axis
    name = axis.lower()
    if _counts_rows(axis, place):
        return workload.batch
    if "total" in name or ("past" in name and "+" in name):
        return workload.tokens
    if "past" in name:
        return workload.past
    return workload.sequence


def _counts_rows(axis: str, place: int) -> bool:
    """Whether an axis is the batch: it is called so, or is the first and called like nothing else that is known."""
    name = axis.lower()
    return "batch" in name or (place == 0 and not any(part in name for part in ("seq", "total", "past")))
