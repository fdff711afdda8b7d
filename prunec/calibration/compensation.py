"""Deleting features of a linear map and letting the others make up for it, in closed form."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from prunec.facts import Family, Site
from prunec.ir.program import Program

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

    Minimises `|A W - A_K W'|^2` with a ridge: `W' = W_K + (M_KK)^-1 M_KR W_R`. That is where removing the others one
    at a time ends, each with the update of the optimal brain surgeon, `W -= H^-1_:s ([H^-1]_ss)^-1 W_s` and then
    `H^-1 -= H^-1_:s ([H^-1]_ss)^-1 H^-1_s:`, for H the moments with the ridge (Kurtic et al. 2023, "ZipLM",
    equations 2 and 3), in whatever order they go.
    """
    result = torch.zeros_like(weight)
    if not bool(kept.any()):
        return result
    matrix = damped(moments)
    factor = torch.linalg.cholesky(matrix[kept][:, kept])
    result[kept] = weight[kept] + torch.cholesky_solve(moments[kept][:, ~kept] @ weight[~kept], factor)
    return result


def refitted(
    program: Program, family: Family, removed: Collection[int], moments: Mapping[str, np.ndarray]
) -> dict[str, Tensor]:
    """By name, the weights that read `family`, fitted to what is left of it, the removed features' parts zero.

    Args:
        program: where the weights are, in the dense shape.
        family: whose units go.
        removed: the units that go.
        moments: by weight name, mean over tokens of `a a^T`, `[features, features]`, as in `SecondMoments.sites`.
    """
    return {
        name: refit(program.tensor(name), site, ~np.isin(site.unit_of, list(removed)), moments[name])
        for name, site in family.readers().items()
    }


def refit(stored: Tensor, site: Site, kept: np.ndarray, moments: np.ndarray) -> Tensor:
    """The weight `stored`, read at `site`, fitted to the features that are `kept` `[features]`, in its own shape."""
    # In double precision: second moments of activations are too ill-conditioned for single.
    columns = site.columns(stored.detach()).double()
    fitted = compensate(columns, torch.from_numpy(moments), torch.from_numpy(kept)).to(stored.dtype)
    return fitted.reshape(stored.movedim(site.dim, 0).shape).movedim(0, site.dim)
