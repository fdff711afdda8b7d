"""`evaluate`: the loss that people read, dense and slim, on text that nothing was chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import ClassVar

import torch
from scipy.stats import binomtest
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, Objective, with_labels
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
        corpus, dense = facts[Corpus], facts[Dense].program
        objective = with_labels(facts[Goal].objective, corpus.report)
        parts = {name: part.report for name, part in (corpus.named or {"": corpus}).items()}
        totals, done = dict.fromkeys(parts, _Totals()), 0
        for name, batches in parts.items():
            for batch in batches:
                totals[name] += _compare(objective, dense, program, batch)
                done += 1
                context.progress.item("evaluating", done, len(corpus.report))
        named = {name: total.quality(objective) for name, total in totals.items() if name}
        quality = replace(sum(totals.values(), _Totals()).quality(objective), named=named)
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

    def quality(self, objective: Objective) -> Quality:
        """The means; of hits, how sure they are."""
        means = self.dense / self.items, self.slim / self.items, self.damage / self.damage_items
        quality = Quality(objective.report_unit, *means, int(self.items))
        if not objective.counts_hits:
            return quality
        return replace(quality, dense_range=wilson(self.dense, self.items), slim_range=wilson(self.slim, self.items))


def _compare(objective: Objective, dense: Program, slim: Program, batch: Mapping[str, Tensor]) -> _Totals:
    with torch.no_grad():
        reference = dense(batch)
        outputs = reference if slim is dense else slim(batch)
    before, items = objective.report(reference, reference, batch)
    after, _ = objective.report(outputs, reference, batch)
    return _Totals(before, after, items, *objective.damage(outputs, reference, batch))


def wilson(hits: float, items: float) -> tuple[float, ...]:
    """The 95 % interval of a share of independent items (Wilson 1927): low and high."""
    interval = binomtest(round(hits), round(items)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
