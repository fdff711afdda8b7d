"""Backward elimination with compensation: exact on small cases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prunec.calibration.compensation import compensate, damped
from prunec.passes.analysis.importance.reconstruction import _eliminate


def moments_of(activations: Tensor) -> Tensor:
    return activations.T @ activations / len(activations)


@pytest.fixture
def activations() -> Tensor:
    mixing = torch.randn(12, 12, dtype=torch.float64)
    return torch.randn(500, 12, dtype=torch.float64) @ mixing


def test_first_score_is_the_error_that_least_squares_leaves(activations: Tensor) -> None:
    weight = torch.randn(12, 5, dtype=torch.float64)
    matrix = damped(moments_of(activations))
    scores = _eliminate(matrix, weight, torch.arange(12)[:, None])
    errors = []
    for unit in range(12):
        kept = torch.arange(12) != unit
        fitted = weight[kept] + torch.linalg.solve(matrix[kept][:, kept], matrix[kept][:, ~kept] @ weight[~kept])
        change = weight.clone()
        change[kept] -= fitted
        errors.append(float((change * (matrix @ change)).sum()))
    assert int(scores.argmin()) == min(range(12), key=errors.__getitem__)
    assert float(scores.min()) == pytest.approx(min(errors), rel=1e-6)


def test_scores_never_fall_along_the_order_of_removal(activations: Tensor) -> None:
    weight = torch.randn(12, 5, dtype=torch.float64)
    matrix = damped(moments_of(activations))
    scores = _eliminate(matrix, weight, torch.arange(12).reshape(4, 3))
    assert len(scores) == 4
    assert bool((scores > 0).all())
    assert float(scores.sum()) >= float((weight * (matrix @ weight)).sum()) * (1 - 1e-9)


def test_of_two_equal_neurons_one_is_free_and_the_other_is_not(activations: Tensor) -> None:
    activations[:, 7] = activations[:, 3]
    weight = torch.randn(12, 5, dtype=torch.float64)
    scores = _eliminate(damped(moments_of(activations)), weight, torch.arange(12)[:, None])
    first, second = sorted((float(scores[3]), float(scores[7])))
    assert min(float(score) for score in scores) == first
    assert first < 0.05 * second  # not 0: the ridge keeps a twin from taking over all


def test_compensation_moves_a_lost_duplicate_to_its_twin(activations: Tensor) -> None:
    activations[:, 7] = activations[:, 3]
    weight = torch.randn(12, 5, dtype=torch.float64)
    kept = torch.arange(12) != 7
    fitted = compensate(weight, moments_of(activations), kept)
    assert torch.equal(fitted[7], torch.zeros(5, dtype=torch.float64))
    lost = activations @ weight
    assert float((activations @ fitted - lost).square().mean()) < 1e-4 * float(lost.square().mean())


def test_compensation_leaves_less_error_than_cutting_alone(activations: Tensor) -> None:
    weight = torch.randn(12, 5, dtype=torch.float64)
    kept = torch.arange(12) % 2 == 0
    fitted = compensate(weight, moments_of(activations), kept)
    cut = weight * kept[:, None]
    target = activations @ weight
    assert (activations @ fitted - target).norm() < (activations @ cut - target).norm()


def test_nothing_kept_compensates_nothing(activations: Tensor) -> None:
    weight = torch.randn(12, 5, dtype=torch.float64)
    assert not compensate(weight, moments_of(activations), torch.zeros(12, dtype=torch.bool)).any()
