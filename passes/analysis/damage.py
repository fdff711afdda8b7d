"""`damage`: the measured loss increase of removing sublayers, and of removing part of each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Goal, Objective
from prunec.facts import Damage, Family, Plan, Scores, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

Key = tuple[str, int]
"""What one measurement removed: (family, units) or (sublayer, -1)."""


@dataclass(frozen=True)
class DamagePass(Pass):
    """Remove one thing at a time by its mask and measure the objective on the choosing text.

    Scores order the units inside a family; how much a family's loss weighs against another's, and
    against whole sublayers, is measured here, in the objective's own unit. Everything before the
    removal is computed once a batch and reused.

    Attributes:
        fractions: shares of each family that are removed, lowest scores first.
        tokens: how much of the choosing text is used, at least one batch.
    """

    name: ClassVar[str] = "damage"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Damage,)

    fractions: tuple[float, ...] = (0.5,)
    tokens: int = 512

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Measure every sublayer and every family at every fraction."""
        structure, scores, objective = facts[Structure], facts[Scores], facts[Goal].objective
        masked = masked_program(program, structure)
        removals = self._removals(structure, scores)
        batches = _at_most(facts[Corpus].choose, self.tokens)
        totals: dict[Key, float] = dict.fromkeys(removals, 0.0)
        count = 0.0
        for index, batch in enumerate(batches):
            measured, items = _measure(masked, structure, objective, batch, removals, context, (index, len(batches)))
            count += items
            for key, value in measured.items():
                totals[key] += value
        increase = {key: max(0.0, value / count) for key, value in totals.items()}
        damage = Damage(
            objective.damage_unit,
            {family.name: _curve(family, increase) for family in structure.families},
            {sublayer.name: increase[sublayer.name, -1] for sublayer in structure.sublayers},
        )
        return PassResult(program, (damage,), f"{len(removals)} removals on {count:.0f} items")

    def _removals(self, structure: Structure, scores: Scores) -> dict[Key, Plan]:
        removals: dict[Key, Plan] = {}
        for sublayer in structure.sublayers:
            removals[sublayer.name, -1] = Plan({}, (sublayer.name,))
        for family in structure.families:
            order = np.argsort(scores.units[family.name], kind="stable")
            for fraction in self.fractions:
                removed = min(max(1, round(fraction * family.units)), family.units - 1)
                removals[family.name, removed] = Plan({family.name: tuple(np.sort(order[:removed]).tolist())})
        return removals


def _measure(
    masked: Program,
    structure: Structure,
    objective: Objective,
    batch: Mapping[str, Tensor],
    removals: Mapping[Key, Plan],
    context: Context,
    position: tuple[int, int],
) -> tuple[dict[Key, float], float]:
    """Summed damage of every removal on one batch, and the items it is over."""
    nodes = {node.name: node for node in masked.graph.nodes}
    outputs = output_nodes(masked)
    starts = [nodes[sublayer.skip] for sublayer in structure.sublayers]
    result: dict[Key, float] = {}
    items = 0.0
    with torch.no_grad():
        known = input_values(masked, {**batch, **plan_masks(structure, Plan({}))})
        dense = evaluate(masked, known, dict.fromkeys([*outputs, *starts]))
        reference = dict(zip(masked.outputs, (dense[node] for node in outputs), strict=True))
        for done, (key, plan) in enumerate(removals.items()):
            place = _place(structure, key)
            start = {nodes[place.skip]: dense[nodes[place.skip]]} if place else {}
            values = evaluate(masked, input_values(masked, {**batch, **plan_masks(structure, plan)}) | start, outputs)
            pruned = dict(zip(masked.outputs, (values[node] for node in outputs), strict=True))
            result[key], items = objective.damage(pruned, reference, batch)
            index, total = position
            context.progress.item("measuring removals", index * len(removals) + done + 1, total * len(removals))
    return result, items


def _place(structure: Structure, key: Key) -> Sublayer | None:
    name, removed = key
    if removed < 0:
        return next(sublayer for sublayer in structure.sublayers if sublayer.name == name)
    return structure.sublayer_of(name)


def _curve(family: Family, increase: Mapping[Key, float]) -> tuple[tuple[int, float], ...]:
    points = sorted(
        (removed, value) for (name, removed), value in increase.items() if name == family.name and removed > 0
    )
    return ((0, 0.0), *points)


def _at_most(batches: tuple[Mapping[str, Tensor], ...], tokens: int) -> list[Mapping[str, Tensor]]:
    chosen: list[Mapping[str, Tensor]] = []
    seen = 0
    for batch in batches:
        if chosen and seen >= tokens:
            break
        chosen.append(batch)
        mask = batch.get("attention_mask")
        seen += int(mask.sum()) if mask is not None else next(iter(batch.values())).numel()
    return chosen
