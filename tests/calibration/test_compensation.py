"""Kept features make up for deleted ones as least squares would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from prunec.calibration.compensation import compensate, damped, refitted
from prunec.facts import Family, Site
from tests.programs import program_from_module


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


def test_weights_that_read_a_family_are_re_fitted_in_their_own_shape() -> None:
    program = program_from_module(nn.Linear(6, 3), {"input": torch.randn(2, 6)}, {})
    units = np.repeat(np.arange(3), 2)
    family = Family("pairs", "head", 3, (), (Site("linear", 0, "weight", 1, units),))
    draw = torch.randn(300, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    moments = draw.T @ draw / 300
    fitted = refitted(program, family, (1,), {"weight": moments.numpy()})["weight"]
    plain = compensate(program.tensor("weight").detach().T.double(), moments, torch.from_numpy(units != 1))
    assert fitted.shape == (3, 6)
    assert torch.allclose(fitted.T.double(), plain, atol=1e-6)
    assert fitted[:, 2:4].abs().sum() == 0
