"""Loss: every unit and every sublayer is removed, and what that costs is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.removal import Probe, affordable, at_most
from prunec.calibration.statistics import AnyStatistic, Collected, UnitMoments
from prunec.facts import Family, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .activation_weight import ActivationWeight
from .criterion import Measure

BUNDLES = 64
"""Units of a larger family are removed in so many bundles."""


class Loss(Measure):
    """The damage of a removal, measured: in the objective's own unit, on the choosing text, nothing re-fitted.

    Sublayers are bypassed one at a time, as by SLEB in its first round (Song et al. 2024): there by the increase of
    the loss, here by the objective's distance to the dense model, which cannot be negative. Units of a family of up
    to `BUNDLES` are masked one at a time. Those of a larger family go in `BUNDLES` bundles of neighbours by their
    share of the sublayer's output (`activation-weight`), and each unit of a bundle scores the bundle's damage over
    its size: that tells bundles apart, and not the units in one.

    It runs the model once a removal: thousands of times for a model of 30 layers, on as much of the text as keeps the
    work near what `damage` spends, 512 tokens at the least.
    """

    name: ClassVar[str] = "loss"
    summary: ClassVar[str] = "measured damage of each removal"
    statistics: ClassVar[tuple[type[AnyStatistic], ...]] = (UnitMoments,)
    reads_text: ClassVar[bool] = True

    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Damages by unit and by sublayer."""
        structure, objective = facts[Structure], facts[Goal].objective
        bundles = {family.name: list(_bundles(program, family, collected)) for family in structure.families}
        total = len(structure.sublayers) + sum(map(len, bundles.values()))
        probe = Probe(program, structure, objective, at_most(facts[Corpus].choose, affordable(total, program)))
        sublayers: dict[str, float] = {}
        units = {family.name: np.zeros(family.units) for family in structure.families}
        done = 0
        for sublayer in structure.sublayers:
            sublayers[sublayer.name] = max(0.0, probe.damage(Plan({}, (sublayer.name,)), sublayer))
            context.progress.item("measuring removals", done := done + 1, total)
        for name, parts in bundles.items():
            place = structure.sublayer_of(name)
            for part in parts:
                damage = probe.damage(Plan({name: tuple(np.sort(part).tolist())}), place)
                units[name][part] = max(0.0, damage) / len(part)
                context.progress.item("measuring removals", done := done + 1, total)
        return Scores(self.name, self.text(facts), units, sublayers, objective.damage_unit)


def _bundles(program: Program, family: Family, collected: Collected) -> Iterator[np.ndarray]:
    """The units of a family in the groups that are removed together."""
    if family.units <= BUNDLES:
        return iter(np.arange(family.units)[:, None])
    share = ActivationWeight().score(program, family, collected)
    return iter(np.array_split(np.argsort(share, kind="stable"), BUNDLES))
