"""Choosing, in every row of a matrix by itself, the entries that stay: by the density of the row's values, or without.

All rows of a matrix go together, a block of rows at a time. Indices are what is chosen, so that entries of one value
are entries still.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import fft
from torch import Tensor

KEPT = 0.5
"""The share of each row that stays where nothing else is said."""
BINS = 2048
"""Bins over the range of a row, in which its values are counted before they are smoothed."""
BLOCK = 2**21
"""Entries that are worked on at a time."""
SILVERMAN = 1.06


def is_matrix(tensor: Tensor) -> bool:
    """Whether a parameter or buffer has rows of weights."""
    return tensor.dim() > 1 and tensor.is_floating_point() and tensor.numel() > 0


def rows_of(tensor: Tensor) -> np.ndarray:
    """A matrix by its rows, `[rows, entries]`: first axis by the others, and a stack of matrices row by row."""
    rows: np.ndarray = tensor.detach().double().reshape(folded(tuple(tensor.shape))).numpy()
    return rows


def folded(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many rows and entries of a row `rows_of` makes of a matrix of `shape`."""
    heads = shape[:2] if len(shape) == 3 else shape[:1]
    return math.prod(heads), math.prod(shape[len(heads) :])


def entries(length: int, share: float) -> int:
    """How many entries a share of a row of `length` comes to, one at least."""
    return max(1, round(share * length))


def by_density_grid(rows: np.ndarray, count: int) -> np.ndarray:
    """KEN's choice: the nearest entries to `count` evenly spaced values: `[rows, count]`, ascending.

    Mastromattei and Zanzotto 2024, "Less is KEN", as released: `count` points from the least to the greatest value of
    the row; they are visited by their estimated density, rounded to a whole number, highest first; each takes the
    nearest entry that is left. Points of one density are visited in order, and of two entries as near the lower one
    is taken: the paper leaves both open. The released code then keeps every entry of a value that was chosen; here an
    entry is chosen by its index, so that `count` of them stay whatever repeats.

    All points are visited, so that the density decides nothing but who takes what from whom: on the rows of a small
    encoder, visiting the grid from left to right keeps the same entries but for one in ten thousand.
    """
    return _in_blocks(rows, lambda block: _nearest(block, _visits(block, count)))


def by_grid(rows: np.ndarray, count: int) -> np.ndarray:
    """What is left of `by_density_grid` without a density: the points are visited from left to right."""
    return _in_blocks(rows, lambda block: _nearest(block, _from_left(_grid(block, count))))


def rarest(rows: np.ndarray, count: int) -> np.ndarray:
    """The `count` entries of each row where the density of its values is least: `[rows, count]`, ascending."""
    return _in_blocks(rows, lambda block: _lowest(densities(block, block), count))


def largest(rows: np.ndarray, count: int) -> np.ndarray:
    """The `count` entries of each row that are furthest from zero: `[rows, count]`, ascending."""
    return _in_blocks(rows, lambda block: _lowest(-np.abs(block), count))


def drawn(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` entries of each row at random: `[rows, count]`, ascending."""
    generator = np.random.default_rng(seed)
    return _in_blocks(rows, lambda block: _lowest(generator.random(block.shape), count))


def densities(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Gaussian kernel density of each row's values at its points: `[rows, n]` and `[rows, m]` to `[rows, m]`.

    The bandwidth is `1.06 s n^(-1/5)`, s the row's standard deviation. Values are shared out between the two nearest of
    `BINS` evenly spaced places, smoothed by a Fourier transform, and read off between two again: right to a share of
    about `(step / bandwidth)^2 / 4`, some 1e-4 for values spread like a normal distribution's. Points lie in the
    row's range. Rows of one value alone have a density of 0, which leaves no point before another.
    """
    low, spread = rows.min(1, keepdims=True), np.ptp(rows, axis=1, keepdims=True)
    step = np.where(spread > 0, spread, 1) / (BINS - 1)
    bandwidth = SILVERMAN * rows.std(1, keepdims=True) * rows.shape[1] ** (-0.2) / step
    counts = _counts((rows - low) / step)
    # Room behind the bins, so that what leaves at one end does not come back at the other.
    size = fft.next_fast_len(BINS + int(6 * bandwidth.max()), real=True)
    waves = 2 * np.pi * fft.rfftfreq(size)
    smooth = fft.rfft(counts, size, axis=1) * np.exp(-0.5 * np.square(bandwidth * waves))
    density = fft.irfft(smooth, size, axis=1)[:, :BINS] / (rows.shape[1] * step)
    found = _between(density, np.clip((points - low) / step, 0, BINS - 1))
    return np.where(spread > 0, np.maximum(found, 0), 0.0)


def _in_blocks(rows: np.ndarray, choose: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `choose` gives of every block of rows, in the smallest type that holds it."""
    height = max(1, BLOCK // rows.shape[1])
    parts = [choose(rows[top : top + height].astype(np.float64)) for top in range(0, len(rows), height)]
    return np.concatenate(parts).astype(np.min_scalar_type(rows.shape[1] - 1))


def _lowest(values: np.ndarray, count: int) -> np.ndarray:
    return np.sort(np.argsort(values, axis=1, kind="stable")[:, :count], axis=1)


def _counts(places: np.ndarray) -> np.ndarray:
    """How much lies at each bin, `[rows, BINS]`: each value shared out between the two bins around its place."""
    lower = np.clip(places.astype(np.int64), 0, BINS - 2)
    share = places - lower
    flat = lower + np.arange(len(places))[:, None] * BINS
    length = len(places) * BINS
    counts = np.bincount(flat.ravel(), (1 - share).ravel(), length)
    counts += np.bincount(flat.ravel() + 1, share.ravel(), length)
    return np.asarray(counts.reshape(len(places), BINS))


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`values` `[rows, BINS]` at places between the bins, `[rows, m]`."""
    lower = np.clip(places.astype(np.int64), 0, BINS - 2)
    share = places - lower
    left = np.take_along_axis(values, lower, 1)
    return np.asarray(left + share * (np.take_along_axis(values, lower + 1, 1) - left))


def _visits(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The grid `[rows, count]`, ascending, and the order `[rows, count]` in which its points are visited."""
    grid = _grid(rows, count)
    return grid, np.argsort(-np.rint(densities(rows, grid)), axis=1, kind="stable")


def _from_left(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return grid, np.broadcast_to(np.arange(grid.shape[1]), grid.shape)


def _grid(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` evenly spaced values over each row's range: `[rows, count]`, ascending."""
    return np.linspace(rows.min(1), rows.max(1), count, axis=1)


def _nearest(rows: np.ndarray, visits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The entries that the visited points take: `[rows, points]`, ascending.

    Entries lie sorted between two sentinels. What is left of a point and what is right of it is followed through
    links over the entries that were taken, which shorten as they are followed.
    """
    grid, visited = visits
    order = np.argsort(rows, axis=1, kind="stable")
    ends = np.full((len(rows), 1), np.inf)
    line = np.concatenate([-ends, np.take_along_axis(rows, order, 1), ends], axis=1)
    width, values = line.shape[1], line.ravel()
    first = np.arange(len(rows)) * width
    behind, ahead = np.arange(len(values)), np.arange(len(values))
    places = np.take_along_axis(_insertions(line[:, 1:-1], grid), visited, 1) + first[:, None]
    points = np.take_along_axis(grid, visited, 1)
    taken = np.zeros(len(values), dtype=bool)
    for place, point in zip(places.T, points.T, strict=True):
        left, right = _follow(behind, place), _follow(ahead, place + 1)
        entry = np.where(point - values[left] <= values[right] - point, left, right)
        taken[entry], behind[entry], ahead[entry] = True, entry - 1, entry + 1
    chosen = _first_of_equals(line[:, 1:-1], taken.reshape(line.shape)[:, 1:-1])
    return np.sort(order[chosen].reshape(len(rows), -1), axis=1)


def _insertions(line: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """How many of each row's sorted entries lie below each point of its ascending grid: `[rows, points]`."""
    order = np.argsort(np.concatenate([grid, line], axis=1), axis=1, kind="stable")
    entries = order >= grid.shape[1]
    return np.asarray(entries.cumsum(1)[~entries].reshape(grid.shape))


def _follow(links: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Where links lead to from `start`: an entry that is left, which links to itself. Halves the ways it goes."""
    place, onward = start, links[start]
    while (place != onward).any():
        links[place] = links[onward]
        place = links[place]
        onward = links[place]
    return place


def _first_of_equals(line: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """`taken` with the first of every run of equal entries in the place of as many others of it."""
    runs = np.concatenate([np.zeros((len(line), 1), dtype=np.int64), (np.diff(line) != 0).cumsum(1)], axis=1)
    return np.take_along_axis(taken, np.argsort(2 * runs + ~taken, axis=1, kind="stable"), 1)
