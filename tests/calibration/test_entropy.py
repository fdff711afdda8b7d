"""Mutual information from kernel matrices: both orders, the bandwidth, and the null."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.calibration.entropy import NEAR_ONE, entropies, excess, excess_of_pairs, kernel, pairwise


def entropy(matrix: np.ndarray, alpha: float) -> float:
    """Renyi entropy of a kernel matrix, in bits, by its eigenvalues."""
    eigenvalues = np.maximum(np.linalg.eigvalsh(matrix / np.trace(matrix)), 0)
    return float(np.log2(np.power(eigenvalues, alpha).sum()) / (1 - alpha))


def mutual_information(first: np.ndarray, second: np.ndarray, alpha: float) -> float:
    return entropy(first, alpha) + entropy(second, alpha) - entropy(first * second, alpha)


def samples(seed: int, count: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 1))


def test_a_kernel_knows_distances_and_not_scale() -> None:
    values = samples(0, 6)
    found = kernel(values)
    assert found == pytest.approx(kernel(1000 * values + 3))
    width = 3 * 1.06 * 6 ** (-0.2) * values.std()
    assert found[1, 4] == pytest.approx(np.exp(-((values[1, 0] - values[4, 0]) ** 2) / (2 * width**2)))
    assert (found.diagonal() == 1).all()


def test_samples_all_alike_tell_nothing() -> None:
    flat = kernel(np.full((8, 2), 3.0))
    assert (flat == 1).all()
    assert pairwise(flat[None], kernel(samples(1, 8))[None]) == pytest.approx(0, abs=1e-6)


def test_all_pairs_at_once_are_what_eigenvalues_say_of_each() -> None:
    kernels = np.stack([kernel(samples(seed, 40)) for seed in range(4)])
    expected = [[mutual_information(one, other, 2.0) for other in kernels] for one in kernels]
    assert pairwise(kernels, kernels) == pytest.approx(np.array(expected), abs=1e-5)


def test_order_two_ranks_dependence_as_order_one_does() -> None:
    first = samples(0)
    mixes = [first * share + samples(1) * (1 - share) for share in (0.0, 0.3, 0.6, 0.9)]
    for alpha in (1.01, 2.0):
        found = [mutual_information(kernel(first), kernel(mix), alpha) for mix in mixes]
        assert found == sorted(found)


def test_what_is_independent_has_no_excess_on_average() -> None:
    kernels = np.stack([kernel(samples(seed)) for seed in range(30)])
    apart = ~np.eye(30, dtype=bool)
    raw, found = pairwise(kernels, kernels), excess(kernels, kernels, 4, seed=0)
    assert raw[apart].mean() > 0.005
    assert abs(found[apart].mean()) < 0.2 * raw[apart].mean()
    assert found.diagonal().min() > 5 * found[apart].max()


def test_entropies_of_many_are_those_of_each() -> None:
    kernels = np.stack([kernel(samples(seed, 40)) for seed in range(3)])
    expected = [entropy(each, NEAR_ONE) for each in kernels]
    assert entropies(kernels, NEAR_ONE) == pytest.approx(expected, abs=1e-9)
    assert entropies(np.stack([np.eye(32), np.ones((32, 32))]), NEAR_ONE) == pytest.approx([5, 0], abs=1e-6)


def test_the_excess_of_pairs_is_their_information_less_that_of_shuffled_samples() -> None:
    first = np.stack([kernel(samples(seed, 40)) for seed in range(3)])
    second = np.stack([kernel(samples(seed, 40) + samples(9, 40)) for seed in range(3)])
    order = np.random.default_rng(5).permutation(40)
    expected = [
        mutual_information(one, other, 1.01) - mutual_information(one, other[order][:, order], 1.01)
        for one, other in zip(first, second, strict=True)
    ]
    assert excess_of_pairs(first, second, 1, seed=5) == pytest.approx(expected, abs=1e-9)


def test_near_order_one_dependence_stands_out_at_this_bandwidth() -> None:
    first, other = samples(0), samples(1)
    dependent, apart = kernel(0.7 * first + 0.3 * other), kernel(other)
    found = excess_of_pairs(np.stack([kernel(first)] * 2), np.stack([dependent, apart]), 2, seed=0)
    assert found[0] > 5 * abs(found[1])
