"""The surgeon's update: what reads removed units is fitted to those that stay, each weight by its dense input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.batching import Batches
from prunec.calibration.compensation import refit
from prunec.calibration.executor import collect
from prunec.calibration.objective import Objective
from prunec.calibration.statistics import Gram
from prunec.facts import Family, Plan, SecondMoments, Site, Structure
from prunec.ir.program import Program, build_module
from prunec.passbase import Context

from .merge import in_slim_shape


def losing(structure: Structure, plan: Plan) -> tuple[Family, ...]:
    """The families of which some units go and some stay."""
    gone = structure.gone_with(plan.sublayers)
    return tuple(item for item in structure.families if plan.units.get(item.name) and item.name not in gone)


def updated_weights(dense: Program, structure: Structure, plan: Plan, moments: SecondMoments) -> dict[str, Tensor]:
    """By name, the weights that read what loses units, in the slim shape, the others' columns updated for the loss.

    `prunec.calibration.compensation.compensate` says why one step does what the update does unit by unit.
    """
    reading: dict[str, tuple[Site, str, np.ndarray]] = {}
    for family in losing(structure, plan):
        for name, site in family.readers().items():
            kept = ~np.isin(site.unit_of, plan.units[family.name])
            reading[name] = (site, family.name, kept & reading[name][2] if name in reading else kept)
    weights = {
        name: refit(dense.tensor(name), site, kept, moments.sites[family][name])
        for name, (site, family, kept) in reading.items()
    }
    return in_slim_shape(weights, structure, plan)


def updated(program: Program, dense: Program, structure: Structure, plan: Plan, moments: SecondMoments) -> Program:
    """The slim `program` with the updated weights of `dense`."""
    tensors = dict(program.tensors())
    for name, weight in updated_weights(dense, structure, plan, moments).items():
        tensors[name] = torch.nn.Parameter(weight.contiguous(), requires_grad=False)
    return program.with_module(build_module(program.graph, tensors))


def dense_moments(
    dense: Program, structure: Structure, plan: Plan, batches: Batches, objective: Objective, context: Context
) -> SecondMoments:
    """Second moments of the dense activations where families that lose units are read."""
    families, grams = losing(structure, plan), Gram()
    read = replace(structure, families=families)
    collect(dense, read, batches, [grams], objective, seed=context.seed, progress=context.progress)
    return SecondMoments(
        {item.name: {name: grams.mean(item, site) for name, site in item.readers().items()} for item in families}
    )
