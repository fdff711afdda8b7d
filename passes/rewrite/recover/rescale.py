"""Rescaling: every unit that stays is made louder or quieter by one factor."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.ridge import Moments, fit
from prunec.facts import Plan, Structure

LIMIT = 10.0
"""A factor larger than this, either way, stops the walk: the fit is no repair any more (Kwon et al. 2022)."""


def members(structure: Structure, plan: Plan, node: str) -> Tensor | None:
    """Which unit each feature that `node` reads belongs to, of those left by `plan`: `[features, units]`, 0 and 1.

    None where no family is read there. Features of no unit have a row of zeros.
    """
    columns, going = [], []
    for family in structure.families:
        for site in family.sites:
            if site.node == node and site.argument == 0:
                removed = plan.units.get(family.name, ())
                going.append(np.isin(site.unit_of, removed))
                columns.append(site.unit_of[:, None] == np.delete(np.arange(family.units), removed))
    if not columns:
        return None
    return torch.from_numpy(np.concatenate(columns, axis=1)[~np.any(going, axis=0)]).double()


def factors(train: Moments, held_out: Moments, weight: Tensor, units: Tensor) -> Tensor | None:
    """The factor of each feature, `[features]`, equal over a unit; None where 1 does best on held-out tokens.

    Minimises over d the squared error `|Y - sum over units u of d_u A_u W_u|^2` and a ridge on d, its strength chosen
    on held-out tokens; the factors are 1 + d. Y is what the output misses as it is.

    Args:
        train: sums over tokens of what `weight` reads and of Y.
        held_out: the same over other tokens.
        weight: `[features, outputs]`.
        units: as `members` gives them.
    """
    halves = [_by_unit(half, weight, units) for half in (train, held_out)]
    changes = fit(halves[0], halves[1], torch.zeros(units.shape[1], 1, dtype=torch.float64))
    return None if changes is None else 1 + (units @ changes)[:, 0]


def _by_unit(moments: Moments, weight: Tensor, units: Tensor) -> Moments:
    """`moments` of features as those of whole units' outputs, summed over the outputs."""
    inner = units.T @ (moments.inner * (weight @ weight.T)) @ units
    return Moments(inner, units.T @ (moments.cross * weight).sum(1, keepdim=True), moments.square)
