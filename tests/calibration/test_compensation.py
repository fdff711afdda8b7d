"""Kept features make up for deleted ones as least squares would."""

from __future__ import annotations

import pytest
import torch

from prunec.calibration.compensation import compensate, damped


def test_the_rest_is_re_fitted_by_least_squares() -> None:
    reads = torch.randn(500, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    weight, kept = torch.randn(6, 3, dtype=torch.float64), torch.tensor([True, False, True, True, False, True])
    fitted = compensate(weight, reads.T @ reads / 500, kept)
    best = torch.linalg.lstsq(reads[:, kept], reads @ weight).solution
    assert (fitted[~kept] == 0).all()
    assert torch.allclose(reads @ fitted, reads[:, kept] @ best, rtol=0.05, atol=0.05)


def test_a_copy_makes_up_for_what_goes() -> None:
    reads = torch.randn(200, 3, dtype=torch.float64)
    reads[:, 2] = reads[:, 1]
    weight = torch.randn(3, 4, dtype=torch.float64)
    fitted = compensate(weight, reads.T @ reads / 200, torch.tensor([True, True, False]))
    assert torch.allclose(fitted[1], weight[1] + weight[2], atol=0.01)


def test_keeping_all_changes_nothing_and_keeping_none_gives_nothing() -> None:
    weight, moments = torch.randn(4, 2), torch.eye(4)
    assert torch.equal(compensate(weight, moments, torch.ones(4, dtype=torch.bool)), weight)
    assert not compensate(weight, moments, torch.zeros(4, dtype=torch.bool)).any()


def test_features_that_are_never_active_leave_a_matrix_that_can_be_inverted() -> None:
    assert torch.linalg.cholesky_ex(damped(torch.zeros(3, 3, dtype=torch.float64))).info == 0
    assert damped(torch.eye(3)).diagonal().tolist() == pytest.approx([1.001] * 3)
