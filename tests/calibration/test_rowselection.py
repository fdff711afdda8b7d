"""Entries of rows, chosen as published, and by index."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.calibration.rowselection import by_density_grid, by_grid, densities, drawn, largest, rarest


def density(row: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The Gaussian kernel density of a row, from its formula."""
    width = 1.06 * row.std() * len(row) ** (-0.2)
    kernels = np.exp(-0.5 * ((points[:, None] - row) / width) ** 2)
    return np.asarray(kernels.sum(1) / (len(row) * width * np.sqrt(2 * np.pi)))


def published(row: np.ndarray, count: int, *, by_density: bool = True) -> list[int]:
    """KEN's choice of one row, point after point."""
    grid = np.linspace(row.min(), row.max(), count)
    found = density(row, grid) if by_density and row.std() > 0 else np.zeros(count)
    left, chosen = list(range(len(row))), list[int]()
    for point in grid[np.argsort(-np.rint(found), kind="stable")]:
        nearest = min(left, key=lambda index: (abs(row[index] - point), row[index], index))
        left.remove(nearest)
        chosen.append(nearest)
    return sorted(chosen)


def rows(count: int = 12, length: int = 90, seed: int = 0) -> np.ndarray:
    """Rows of several kinds: narrow, wide, with heavy tails, skewed."""
    generator = np.random.default_rng(seed)
    scales = np.array([0.01, 0.05, 1.0])[np.arange(count) % 3, None]
    values = scales * generator.standard_normal((count, length))
    values[::4] *= np.abs(values[::4] / scales[::4]) ** 2
    values[1::4] = np.exp(values[1::4])
    return values.astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 22, 45, 89, 90])
def test_rows_are_chosen_as_one_by_one(count: int) -> None:
    found = by_density_grid(rows(), count)
    assert found.tolist() == [published(row, count) for row in rows().astype(np.float64)]


@pytest.mark.parametrize("levels", [3, 16])
def test_repeated_values_do_not_add_to_what_stays(levels: int) -> None:
    values = np.round(rows(8, 60) / np.ptp(rows(8, 60), axis=1, keepdims=True) * levels)
    found = by_density_grid(values, 20)
    assert found.shape == (8, 20)
    assert all(len(set(row)) == 20 for row in found.tolist())
    assert found.tolist() == [published(row, 20) for row in values.astype(np.float64)]


def test_rows_of_one_value_keep_as_many_as_others() -> None:
    values = np.stack([np.full(10, 0.3), np.zeros(10), np.arange(10.0)])
    assert by_density_grid(values, 4).tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 3, 6, 9]]
    assert rarest(values, 4).tolist()[:2] == [[0, 1, 2, 3], [0, 1, 2, 3]]


def test_the_density_decides_next_to_nothing() -> None:
    values = np.random.default_rng(3).standard_normal((40, 400)) * 0.05
    for count in (100, 200, 300):
        with_density = by_density_grid(values, count)
        without = by_grid(values, count)
        assert without[:3].tolist() == [published(row, count, by_density=False) for row in values[:3]]
        same = [len(set(one) & set(other)) / count for one, other in zip(with_density, without, strict=True)]
        assert np.mean(same) > 0.99


def test_densities_follow_the_formula() -> None:
    values = rows().astype(np.float64)
    grid = np.linspace(values.min(1), values.max(1), 30, axis=1)
    expected = np.stack([density(row, points) for row, points in zip(values, grid, strict=True)])
    assert densities(values, grid) == pytest.approx(expected, rel=2e-3, abs=1e-4 * expected.max())


def test_rare_entries_stay() -> None:
    values = 0.01 * np.random.default_rng(0).standard_normal((3, 50))
    values[:, [7, 30]] = [1.0, -2.0]
    assert rarest(values, 2).tolist() == [[7, 30]] * 3


def test_large_entries_stay_whatever_their_sign() -> None:
    assert largest(np.array([[0.5, -3.0, 0.0, 2.0], [1.0, 1.0, -1.0, 0.0]]), 2).tolist() == [[1, 3], [0, 1]]


def test_random_entries_depend_on_the_seed_alone() -> None:
    first, again, other = (drawn(rows(), 20, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert all(len(set(row)) == 20 for row in first.tolist())


def test_the_rows_that_are_given_stay_as_they_are() -> None:
    given = rows()
    for choose in (by_density_grid, rarest, largest):
        choose(given, 10)
    assert (given == rows()).all()
