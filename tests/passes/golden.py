"""The golden rule, as tests apply it: the slim program equals the masked dense one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from prunec.calibration.masked import masked_program, plan_masks
from prunec.facts import Plan, Structure
from prunec.ir.program import Program
from prunec.passes.rewrite.remove import slim_program

TOLERANCE = 1e-4


def random_plan(structure: Structure, seed: int, *, sublayers: bool = True) -> Plan:
    """Any number of units of every family, and each sublayer with a chance of one in five."""
    draw = random.Random(seed)
    units = {item.name: draw.sample(range(item.units), draw.randrange(item.units)) for item in structure.families}
    dropped = tuple(item.name for item in structure.sublayers if sublayers and draw.random() < 0.2)
    return Plan({name: tuple(sorted(removed)) for name, removed in units.items()}, dropped)


def all_but_one(structure: Structure, seed: int) -> Plan:
    """Of every family a single unit stays."""
    draw = random.Random(seed)
    kept = {item.name: draw.randrange(item.units) for item in structure.families}
    return Plan({item.name: tuple(i for i in range(item.units) if i != kept[item.name]) for item in structure.families})


def deviation(program: Program, structure: Structure, plan: Plan, inputs: Mapping[str, Tensor]) -> float:
    """Largest output difference of the slim program from the masked one, over the largest masked output.

    The plan must show: an unmasked program that gave the same would prove nothing.
    """
    slim = slim_program(program, structure, plan)
    with torch.no_grad():
        dense = program(inputs)
        masked = masked_program(program, structure)({**inputs, **plan_masks(structure, plan)})
        ours = slim(inputs)
    assert plan.is_empty() or _largest(dense[name] - masked[name] for name in dense) > 1e-5
    return _largest(ours[name] - masked[name] for name in masked) / _largest(masked.values())


def _largest(values: Iterable[Tensor]) -> float:
    return max(float(value.abs().max()) for value in values)
