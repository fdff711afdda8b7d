"""Least squares from moments: ridge regression towards a given weight, its strength chosen on held-out tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Ridge strengths tried, as shares of the mean squared activation."""


@dataclass
class Moments:
    """Sums over tokens of `a a^T`, `a y^T` and `|y|^2`, for activations a `[inputs]` and targets y `[outputs]`."""

    inner: Tensor
    cross: Tensor
    square: float = 0.0

    @staticmethod
    def zeros(inputs: int, outputs: int) -> Moments:
        """No tokens yet."""
        return Moments(
            torch.zeros(inputs, inputs, dtype=torch.float64), torch.zeros(inputs, outputs, dtype=torch.float64)
        )

    def add(self, activation: Tensor, target: Tensor) -> None:
        """Add tokens: `[tokens, inputs]` and `[tokens, outputs]`."""
        self.inner += (activation.T @ activation).double()
        self.cross += (activation.T @ target).double()
        self.square += float(target.double().square().sum())

    def error(self, weight: Tensor) -> float:
        """Sum over tokens of `|y - a W|^2`, for `weight` `[inputs, outputs]`."""
        fitted = (weight * (self.inner @ weight)).sum() - 2 * (weight * self.cross).sum()
        return float(fitted) + self.square


def fit(train: Moments, held_out: Moments, weight: Tensor) -> Tensor | None:
    """The weight `[inputs, outputs]` that does best on held-out tokens, or None where `weight` itself does.

    Each candidate minimises `|Y - A W|^2 + s m |W - weight|^2` on the training tokens, with s from
    `STRENGTHS` and m the mean of the diagonal of `A^T A`.
    """
    best, least = None, held_out.error(weight)
    scale = float(train.inner.diagonal().mean())
    missing = train.cross - train.inner @ weight
    for strength in STRENGTHS:
        damped = train.inner + strength * scale * torch.eye(len(train.inner), dtype=torch.float64)
        factor, info = torch.linalg.cholesky_ex(damped)
        if int(info):
            continue
        candidate = weight + torch.cholesky_solve(missing, factor)
        error = held_out.error(candidate)
        if error < least:
            best, least = candidate, error
    return best
