"""Statistics are sums over the stream: how the stream is cut does not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prunec.calibration.statistics import (
    AbsoluteGradient,
    Gram,
    SquaredGradient,
    Sums,
    UnitMoments,
    features_by_unit,
)
from prunec.facts import Family, Site


def family(unit_of: list[int], units: int) -> Family:
    return Family("f", "head", units, (), (Site("", 0, "", 0, np.array(unit_of)),))


HEADS = family([0, 0, 1, 1, 2, 2], 3)


def filled(kind: type[Sums], *values: torch.Tensor) -> np.ndarray:
    statistic = kind()
    for value in values:
        statistic.update(HEADS, value, None if kind.wants_gradients else HEADS.sites[0])
    return statistic.mean(HEADS, None if kind.wants_gradients else HEADS.sites[0])


def test_unit_moments_are_means_over_tokens_of_outer_products() -> None:
    values = torch.randn(10, 6, dtype=torch.float64)
    found = filled(UnitMoments, values)
    for unit in range(3):
        block = values[:, 2 * unit : 2 * unit + 2].numpy()
        assert found[unit] == pytest.approx(sum(np.outer(row, row) for row in block) / 10)


def test_gram_is_the_mean_outer_product_of_all_features() -> None:
    values = torch.randn(10, 6, dtype=torch.float64)
    assert filled(Gram, values) == pytest.approx(sum(np.outer(row, row) for row in values.numpy()) / 10)


@pytest.mark.parametrize("kind", [UnitMoments, Gram])
def test_batches_add_up(kind: type[Sums]) -> None:
    values = torch.randn(10, 6, dtype=torch.float64)
    assert filled(kind, values[:3], values[3:]) == pytest.approx(filled(kind, values))


@pytest.mark.parametrize(("kind", "expected"), [(AbsoluteGradient, [2.0, 1.5, 1.0]), (SquaredGradient, [5, 2.5, 1])])
def test_gradients_of_sequences_do_not_cancel(kind: type[Sums], expected: list[float]) -> None:
    found = filled(kind, torch.tensor([1.0, -1.0, 1.0]), torch.tensor([-3.0, 2.0, -1.0]))
    assert found.tolist() == expected


def test_features_are_found_wherever_their_unit_has_them() -> None:
    mixed = family([1, 0, -1, 0, 1, -1], 2)
    assert features_by_unit(mixed.sites[0]).tolist() == [[1, 3], [0, 4]]
