"""The masked form of a program: every family and sublayer can be switched off by an input."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from prunec.facts import Plan, Structure
from prunec.ir.masking import Mask, MaskSite, insert_masks
from prunec.ir.program import Program


def masked_program(program: Program, structure: Structure) -> Program:
    """`program` with an input `mask.<name>` for each family and each sublayer."""
    nodes = {node.name: node for node in program.graph.nodes}
    masks = {
        family.name: Mask(
            family.units,
            tuple(
                MaskSite(point.node, point.argument, point.unit_of, point.axis, point.absent)
                for point in family.mask_points()
            ),
        )
        for family in structure.families
    }
    for sublayer in structure.sublayers:
        operands = [operand.name for operand in nodes[sublayer.add].args[:2]]
        branch = MaskSite(sublayer.add, operands.index(sublayer.branch))
        masks[sublayer_mask(sublayer.name)] = Mask(1, (branch,))
    return insert_masks(program, masks)


def sublayer_mask(name: str) -> str:
    """Mask name of a sublayer (a family may share its name)."""
    return f"sublayer:{name}"


def open_masks(structure: Structure) -> dict[str, Tensor]:
    """Masks that change nothing."""
    masks = {f"mask.{family.name}": torch.ones(family.units) for family in structure.families}
    return masks | {f"mask.{sublayer_mask(item.name)}": torch.ones(1) for item in structure.sublayers}


def plan_masks(structure: Structure, plan: Plan) -> dict[str, Tensor]:
    """Masks that switch off what `plan` removes."""
    masks: Mapping[str, Tensor] = open_masks(structure)
    for family, removed in plan.units.items():
        masks[f"mask.{family}"][list(removed)] = 0.0
    for sublayer in plan.sublayers:
        masks[f"mask.{sublayer_mask(sublayer)}"][:] = 0.0
    return dict(masks)
