"""Merging: of a pair, the unit that stays takes over what it can say of the one that went."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.statistics import features_by_unit
from prunec.facts import Plan, SecondMoments, Site, Structure
from prunec.ir.program import Program

DEPENDENT = 1e-6
"""Directions of a survivor's features with less than this share of its largest second moment count as none."""


def merged_weights(
    dense: Program, structure: Structure, plan: Plan, partners: Mapping[str, np.ndarray], moments: SecondMoments
) -> dict[str, Tensor]:
    """By name, the weights that read what loses units, in the slim shape, survivors' columns merged with those gone.

    For each removed unit r with the survivor s, `W_s += B W_r`, where B, the least-squares map from the features of
    s to those of r, is `E[a_s a_s^T]^+ E[a_s a_r^T]`; for units of one feature `E[a_s a_r] / E[a_s^2]`.
    """
    gone = structure.gone_with(plan.sublayers)
    weights: dict[str, Tensor] = {}
    for family in structure.families:
        removed = plan.units.get(family.name, ())
        if not removed or family.name in gone or family.name not in partners:
            continue
        heirs = survivors(partners[family.name], removed)
        for name, site in family.readers().items():
            weight = weights[name] if name in weights else dense.tensor(name).detach().double()
            known = torch.from_numpy(moments.sites[family.name][name])
            weights[name] = _merged(weight, site, heirs, known)
    return in_slim_shape(weights, structure, plan)


def in_slim_shape(weights: Mapping[str, Tensor], structure: Structure, plan: Plan) -> dict[str, Tensor]:
    """Dense `weights` by name without what `plan` cuts from them."""
    cut = dict(weights)
    for (name, dim), indices in plan.cuts(structure).items():
        if name in cut:
            kept = np.delete(np.arange(cut[name].shape[dim]), indices)
            cut[name] = cut[name].index_select(dim, torch.from_numpy(kept))
    return cut


def survivors(partners: np.ndarray, removed: Collection[int]) -> dict[int, int]:
    """For each removed unit the first along its chain of partners that stays, if one does."""
    gone = set(removed)
    found: dict[int, int] = {}
    for unit in removed:
        heir = unit
        while heir in gone:
            heir = int(partners[heir])
        if heir >= 0:
            found[unit] = heir
    return found


def _merged(weight: Tensor, site: Site, heirs: Mapping[int, int], moments: Tensor) -> Tensor:
    """The dense `weight` with what each removed unit's heir takes over."""
    moved = weight.movedim(site.dim, 0)
    columns, units = moved.flatten(1), torch.from_numpy(features_by_unit(site))
    merged = columns.clone()
    for unit, heir in heirs.items():
        going, staying = units[unit], units[heir]
        inverse = torch.linalg.pinv(moments[staying][:, staying], rtol=DEPENDENT, hermitian=True)
        merged[staying] += inverse @ moments[staying][:, going] @ columns[going]
    return merged.view(moved.shape).movedim(0, site.dim)
