"""`damage`: the measured loss increase of removing sublayers, and of removing part of each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prunec.calibration.compensation import refitted
from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.removal import Probe, affordable, at_most
from prunec.facts import Damage, Family, Plan, Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

Key = tuple[str, int]
"""What one measurement removed: (family, units) or (sublayer, -1)."""


@dataclass(frozen=True)
class DamagePass(Pass):
    """Remove one thing at a time by its mask and measure the objective on the choosing text.

    Scores order the units inside a family; how much a family's loss weighs against another's, and
    against whole sublayers, is measured here, in the objective's own unit. Where second moments are
    known, what is left of a family is re-fitted before it is measured, as recovery will: families
    differ widely in how much that mends. Everything before the removal is computed once a batch.

    Sublayers that the scores give in the objective's own unit are not measured again. Where the scores are of
    sublayers alone, they are what sublayers weigh, in whatever unit, and no family loses anything.

    Attributes:
        fractions: shares of each family that are removed, lowest scores first.
        tokens: how much of the choosing text is used, at least one batch; None measures on as much as
            keeps the work near `WORK` of `prunec.calibration.removal`.
    """

    name: ClassVar[str] = "damage"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (SecondMoments,)
    gives: ClassVar[tuple[type, ...]] = (Damage,)

    fractions: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9)
    tokens: int | None = None

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Measure every sublayer and every family at every fraction, as far as the scores do not say it."""
        structure, objective, moments = facts[Structure], facts[Goal].objective, facts.get(SecondMoments)
        scores = facts[Scores]
        if not scores.units and scores.sublayers:
            weighed = {name: max(0.0, value) for name, value in scores.sublayers.items()}
            return PassResult(program, (Damage(scores.criterion, {}, weighed),), f"sublayers by {scores.criterion}")
        known = scores.sublayers if scores.unit == objective.damage_unit else {}
        removals = self._removals(structure, scores, known)
        tokens = self.tokens or affordable(len(removals), program)
        probe = Probe(program, structure, objective, at_most(facts[Corpus].choose, tokens))
        increase: dict[Key, float] = {(name, -1): max(0.0, value) for name, value in known.items()}
        for number, (key, plan) in enumerate(removals.items()):
            increase[key] = max(0.0, _measured(probe, key, plan, moments))
            context.progress.item("measuring removals", number + 1, len(removals))
        damage = Damage(
            objective.damage_unit,
            {family.name: _curve(family, increase) for family in structure.families},
            {sublayer.name: increase[sublayer.name, -1] for sublayer in structure.sublayers},
        )
        refitted = ", what is left re-fitted" if moments else ""
        return PassResult(program, (damage,), f"{len(removals)} removals on {probe.items:.0f} items{refitted}")

    def _removals(self, structure: Structure, scores: Scores, known: Mapping[str, float]) -> dict[Key, Plan]:
        removals: dict[Key, Plan] = {}
        for sublayer in structure.sublayers:
            if sublayer.name not in known:
                removals[sublayer.name, -1] = Plan({}, (sublayer.name,))
        for family in structure.families:
            order = np.argsort(scores.units[family.name], kind="stable")
            for fraction in self.fractions:
                removed = min(max(1, round(fraction * family.units)), family.spare)
                removals[family.name, removed] = Plan({family.name: tuple(np.sort(order[:removed]).tolist())})
        return removals


def _measured(probe: Probe, key: Key, plan: Plan, moments: SecondMoments | None) -> float:
    """Mean damage of one removal; a family's is measured with what is left re-fitted where moments are known."""
    (name, removed), structure = key, probe.structure
    if removed < 0:
        return probe.damage(plan, next(sublayer for sublayer in structure.sublayers if sublayer.name == name))
    place = structure.sublayer_of(name)
    if moments is None or not moments.sites[name]:
        return probe.damage(plan, place)
    # The masks change nothing where those weights read, but means over the family leave the removed out.
    weights = refitted(probe.masked, structure.family(name), plan.units[name], moments.sites[name])
    return probe.damage(plan, place, weights)


def _curve(family: Family, increase: Mapping[Key, float]) -> tuple[tuple[int, float], ...]:
    points = sorted(
        (removed, value) for (name, removed), value in increase.items() if name == family.name and removed > 0
    )
    return ((0, 0.0), *points)
