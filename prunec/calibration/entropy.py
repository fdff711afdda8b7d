"""Matrix-based Renyi entropy of samples, and the mutual information of pairs from it.

Sanchez Giraldo, Rao and Principe 2015, "Measures of Entropy From Data Using Infinitely Divisible Kernels": a sample's
kernel matrix, scaled to trace 1, stands for its density. No density is ever estimated.
"""

from __future__ import annotations

import numpy as np

WIDENING = 3.0
"""What Silverman's bandwidth is multiplied by. At 1 the estimate for independent neurons is nearly that of dependent
ones; at 10 it is little more than squared correlation."""

NEAR_ONE = 1.01
"""The order at which the matrix entropy stands for Shannon's, as is usual: order 1 itself is a limit."""


def kernel(samples: np.ndarray) -> np.ndarray:
    """Gaussian kernel matrix `[n, n]` of samples `[n, features]`, ones on its diagonal.

    The bandwidth follows Silverman's rule, `1.06 s n^(-1/5)`, widened, with s the root of the summed variances of the
    features: scaling the samples changes nothing. Samples that are all alike have a kernel of ones.
    """
    count = len(samples)
    spread = float(samples.var(0).sum())
    if spread <= np.finfo(np.float64).tiny:
        return np.ones((count, count))
    bandwidth = (WIDENING * 1.06 * count ** (-0.2)) ** 2 * spread
    return np.asarray(np.exp(-_squared_distances(samples) / (2 * bandwidth)))


def spread_entropy(samples: np.ndarray) -> np.ndarray:
    """Quadratic entropy `[units]`, in bits, of what each unit's samples spread over: `[units, n, features]`.

    All units have one bandwidth, Silverman's for the root mean square of their spreads: a unit that spreads more has
    more. Zero where all samples of a unit are alike.
    """
    units, count, _ = samples.shape
    spread = float(samples.var(1).sum(1).mean())
    if spread <= np.finfo(np.float64).tiny:
        return np.zeros(units)
    bandwidth = (1.06 * count ** (-0.2)) ** 2 * spread
    potentials = [np.exp(-_squared_distances(unit) / (4 * bandwidth)).mean() for unit in samples]
    return np.asarray(-np.log2(potentials))


def _squared_distances(samples: np.ndarray) -> np.ndarray:
    """Between every two of samples `[n, features]`: `[n, n]`, exactly zero on the diagonal."""
    squares = np.square(samples).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * samples @ samples.T, 0)
    np.fill_diagonal(distances, 0)
    return np.asarray(distances)


def pairwise(kernels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mutual information of order 2, in bits, of every one of `kernels` with every one of `others`: `[units, others]`.

    Of order 2 no eigenvalue is needed: `tr(A^2)` is a sum of squares, so with `F = K * K` as a vector,
    `I = log2(n^2 <F_k, F_l> / (sum F_k sum F_l))`, and one matrix product gives all pairs.

    Args:
        kernels: `[units, n, n]`.
        others: `[others, n, n]`.
    """
    count = kernels.shape[1]
    first, second = (np.square(item, dtype=np.float32).reshape(len(item), -1) for item in (kernels, others))
    sums = first.sum(1, dtype=np.float64)[:, None] * second.sum(1, dtype=np.float64)[None]
    return np.asarray(np.log2(count**2 * (first @ second.T).astype(np.float64) / sums))


def excess(kernels: np.ndarray, others: np.ndarray, shuffles: int, seed: int) -> np.ndarray:
    """`pairwise` less its mean over `shuffles` of the samples of one side: `[units, others]`.

    A finite sample makes independent variables look dependent; the shuffled pairs say by how much.
    """
    generator = np.random.default_rng(seed)
    null = np.zeros((len(kernels), len(others)))
    for _ in range(shuffles):
        order = generator.permutation(kernels.shape[1])
        null += pairwise(kernels, others[:, order][:, :, order]) / shuffles
    return pairwise(kernels, others) - null


def entropies(kernels: np.ndarray, order: float) -> np.ndarray:
    """`S = log2(sum_i l_i^order) / (1 - order)` `[matrices]`, in bits, l the eigenvalues of each kernel over its trace.

    `kernels` is `[matrices, n, n]`; `order` is not 1.
    """
    eigenvalues = np.linalg.eigvalsh(kernels / np.trace(kernels, axis1=1, axis2=2)[:, None, None])
    return np.asarray(np.log2(np.power(np.maximum(eigenvalues, 0), order).sum(1)) / (1 - order))


def excess_of_pairs(first: np.ndarray, second: np.ndarray, shuffles: int, seed: int) -> np.ndarray:
    """Mutual information of order `NEAR_ONE` less that of shuffled samples, in bits, pair by pair: `[pairs]`.

    `I = S(A) + S(B) - S(A * B)`, which takes the eigenvalues of every product. The entropies of the two alone are
    those of the shuffled pair as well, so that what is left is the joint entropy that shuffling adds. The shuffles
    are those of `excess`.

    Args:
        first: kernels of one of each pair, `[pairs, n, n]`.
        second: those of the other.
        shuffles: how many the null is a mean of.
        seed: of the shuffles.
    """
    generator = np.random.default_rng(seed)
    null = np.zeros(len(first))
    for _ in range(shuffles):
        order = generator.permutation(first.shape[1])
        null += entropies(first * second[:, order][:, :, order], NEAR_ONE) / shuffles
    return np.asarray(null - entropies(first * second, NEAR_ONE))
