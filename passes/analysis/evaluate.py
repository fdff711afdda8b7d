"""`evaluate`: the loss that people read, dense and slim, on text that nothing was chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, Objective
from prunec.facts import Dense, Quality
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class EvaluatePass(Pass):
    """Measure the objective's report on the reporting text, dense and slim, as a whole and by named corpus."""

    name: ClassVar[str] = "evaluate"
    needs: ClassVar[tuple[type, ...]] = (Dense, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Quality,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the quality."""
        objective, corpus, dense = facts[Goal].objective, facts[Corpus], facts[Dense].program
        parts = {name: part.report for name, part in (corpus.named or {"": corpus}).items()}
        totals, done = dict.fromkeys(parts, _Totals()), 0
        for name, batches in parts.items():
            for batch in batches:
                totals[name] += _compare(objective, dense, program, batch)
                done += 1
                context.progress.item("evaluating", done, len(corpus.report))
        unit = objective.report_unit
        named = {name: total.quality(unit) for name, total in totals.items() if name}
        quality = replace(sum(totals.values(), _Totals()).quality(unit), named=named)
        log = f"{quality.unit}: {quality.dense:.4f} dense, {quality.slim:.4f} slim"
        return PassResult(program, (quality,), log)


@dataclass(frozen=True)
class _Totals:
    """Sums over batches: the report of the dense and of the slim program, the slim one's damage, items of each."""

    dense: float = 0.0
    slim: float = 0.0
    items: float = 0.0
    damage: float = 0.0
    damage_items: float = 0.0

    def __add__(self, other: _Totals) -> _Totals:
        return _Totals(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def quality(self, unit: str) -> Quality:
        """The means."""
        dense, slim, damage = self.dense / self.items, self.slim / self.items, self.damage / self.damage_items
        return Quality(unit, dense, slim, damage, int(self.items))


def _compare(objective: Objective, dense: Program, slim: Program, batch: Mapping[str, Tensor]) -> _Totals:
    with torch.no_grad():
        reference = dense(batch)
        outputs = reference if slim is dense else slim(batch)
    before, items = objective.report(reference, reference, batch)
    after, _ = objective.report(outputs, reference, batch)
    return _Totals(before, after, items, *objective.damage(outputs, reference, batch))
