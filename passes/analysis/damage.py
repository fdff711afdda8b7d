"""`damage`: the measured loss increase of removing sublayers, and of removing part of each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, fx

from prunec.calibration.compensation import compensate
from prunec.calibration.corpus import Corpus
from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Goal, Objective
from prunec.facts import Damage, Family, Plan, Scores, SecondMoments, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

WORK = 1.6e13
"""Multiplications that the measurements may take: two to three minutes on two cores."""
LEAST = 512
"""Tokens below which a measurement says little."""
NONE: Mapping[str, Tensor] = {}
Key = tuple[str, int]
"""What one measurement removed: (family, units) or (sublayer, -1)."""


@dataclass(frozen=True)
class DamagePass(Pass):
    """Remove one thing at a time by its mask and measure the objective on the choosing text.

    Scores order the units inside a family; how much a family's loss weighs against another's, and
    against whole sublayers, is measured here, in the objective's own unit. Where second moments are
    known, what is left of a family is re-fitted before it is measured, as recovery will: families
    differ widely in how much that mends. Everything before the removal is computed once a batch.

    Attributes:
        fractions: shares of each family that are removed, lowest scores first.
        tokens: how much of the choosing text is used, at least one batch; None measures on as much as
            keeps the work near `WORK`.
    """

    name: ClassVar[str] = "damage"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (SecondMoments,)
    gives: ClassVar[tuple[type, ...]] = (Damage,)

    fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9)
    tokens: int | None = None

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Measure every sublayer and every family at every fraction."""
        structure, objective, moments = facts[Structure], facts[Goal].objective, facts.get(SecondMoments)
        removals = self._removals(structure, facts[Scores])
        tokens = self.tokens or max(LEAST, int(WORK / len(removals) / program.parameter_count()))
        probe = _Probe(program, structure, objective, _at_most(facts[Corpus].choose, tokens))
        increase: dict[Key, float] = {}
        for number, (key, plan) in enumerate(removals.items()):
            increase[key] = max(0.0, probe.damage(key, plan, moments))
            context.progress.item("measuring removals", number + 1, len(removals))
        damage = Damage(
            objective.damage_unit,
            {family.name: _curve(family, increase) for family in structure.families},
            {sublayer.name: increase[sublayer.name, -1] for sublayer in structure.sublayers},
        )
        refitted = ", what is left re-fitted" if moments else ""
        return PassResult(program, (damage,), f"{len(removals)} removals on {probe.items:.0f} items{refitted}")

    def _removals(self, structure: Structure, scores: Scores) -> dict[Key, Plan]:
        removals: dict[Key, Plan] = {}
        for sublayer in structure.sublayers:
            removals[sublayer.name, -1] = Plan({}, (sublayer.name,))
        for family in structure.families:
            order = np.argsort(scores.units[family.name], kind="stable")
            for fraction in self.fractions:
                removed = min(max(1, round(fraction * family.units)), family.spare)
                removals[family.name, removed] = Plan({family.name: tuple(np.sort(order[:removed]).tolist())})
        return removals


class _Probe:
    """Measures removals from the masked program, with the dense run of every batch at hand."""

    def __init__(
        self, program: Program, structure: Structure, objective: Objective, batches: list[Mapping[str, Tensor]]
    ) -> None:
        self.structure, self.objective, self.batches = structure, objective, batches
        self.masked = masked_program(program, structure)
        self.nodes = {node.name: node for node in self.masked.graph.nodes}
        self.outputs = output_nodes(self.masked)
        self.reads = self.masked.graph.find_nodes(op="get_attr")
        self.items = 0.0
        starts = [self.nodes[name] for item in structure.sublayers for name in (item.start, item.skip)]
        opened = plan_masks(structure, Plan({}))
        with torch.no_grad():
            self.dense = [
                evaluate(self.masked, self._known(batch, opened), dict.fromkeys([*self.outputs, *starts]))
                for batch in batches
            ]

    def damage(self, key: Key, plan: Plan, moments: SecondMoments | None) -> float:
        """Mean damage of one removal; a family's is measured with what is left re-fitted where moments are known."""
        name, removed = key
        if removed < 0:
            place = next(sublayer for sublayer in self.structure.sublayers if sublayer.name == name)
            return self._mean(place, plan_masks(self.structure, plan))
        sublayer = self.structure.sublayer_of(name)
        if moments is None or not moments.sites[name]:
            return self._mean(sublayer, plan_masks(self.structure, plan))
        weights = _refitted(self.masked, self.structure.family(name), plan.units[name], moments.sites[name])
        # The masks change nothing where those weights read, but means over the family leave the removed out.
        return self._mean(sublayer, plan_masks(self.structure, plan), weights)

    def _mean(self, place: Sublayer | None, masks: dict[str, Tensor], weights: Mapping[str, Tensor] = NONE) -> float:
        total, self.items = 0.0, 0.0
        other = {node: weights[str(node.target)] for node in self.reads if node.target in weights}
        for batch, dense in zip(self.batches, self.dense, strict=True):
            start = {self.nodes[name]: dense[self.nodes[name]] for name in ((place.start, place.skip) if place else ())}
            with torch.no_grad():
                values = evaluate(self.masked, self._known(batch, masks) | other | start, self.outputs)
            pruned, reference = (
                dict(zip(self.masked.outputs, (found[node] for node in self.outputs), strict=True))
                for found in (values, dense)
            )
            value, items = self.objective.damage(pruned, reference, batch)
            total, self.items = total + value, self.items + items
        return total / self.items

    def _known(self, batch: Mapping[str, Tensor], masks: dict[str, Tensor]) -> dict[fx.Node, Any]:
        return input_values(self.masked, {**batch, **masks})


def _refitted(
    program: Program, family: Family, removed: tuple[int, ...], moments: Mapping[str, np.ndarray]
) -> dict[str, Tensor]:
    """The weights that read the family, fitted to what is left of it, the removed features' parts zero."""
    weights = {}
    for name, site in family.readers().items():
        stored = program.tensor(name).detach()
        kept = torch.from_numpy(~np.isin(site.unit_of, removed))
        # In double precision: second moments of activations are too ill-conditioned for single.
        fitted = compensate(site.columns(stored).double(), torch.from_numpy(moments[name]), kept).to(stored.dtype)
        weights[name] = fitted.reshape(stored.movedim(site.dim, 0).shape).movedim(0, site.dim)
    return weights


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
