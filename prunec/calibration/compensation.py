"""Deleting features of a linear map and letting the others make up for it, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

DAMPING = 1e-3
"""Ridge added to second moments, as a share of their mean diagonal."""


def damped(moments: Tensor) -> Tensor:
    """`moments` `[features, features]` with the ridge on their diagonal."""
    ridge = DAMPING * moments.diagonal().mean().clamp(min=torch.finfo(moments.dtype).tiny)
    return moments + ridge * torch.eye(len(moments), dtype=moments.dtype)


def compensate(weight: Tensor, moments: Tensor, kept: Tensor) -> Tensor:
    """The weight that best reproduces `a @ weight` from the kept features alone; rows of the others are zero.

    Args:
        weight: `[features, outputs]`.
        moments: mean over tokens of `a a^T`, `[features, features]`.
        kept: bool `[features]`.

    Minimises `|A W - A_K W'|^2` with a ridge: `W' = W_K + (M_KK)^-1 M_KR W_R`.
    """
    result = torch.zeros_like(weight)
    if not bool(kept.any()):
        return result
    matrix = damped(moments)
    factor = torch.linalg.cholesky(matrix[kept][:, kept])
    result[kept] = weight[kept] + torch.cholesky_solve(moments[kept][:, ~kept] @ weight[~kept], factor)
    return result
