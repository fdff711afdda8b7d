"""`evaluate`: the loss that people read, dense and slim, on text that nothing was chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, Objective, with_labels
from prunec.calibration.totals import Totals
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
        totals, done = dict.fromkeys(parts, Totals()), 0
        for name, batches in parts.items():
            for batch in batches:
                totals[name] += _compare(objective, dense, program, batch)
                done += 1
                context.progress.item("evaluating", done, len(corpus.report))
        named = {name: total.quality(objective) for name, total in totals.items() if name}
        quality = replace(sum(totals.values(), Totals()).quality(objective), named=named)
        log = f"{quality.unit}: {quality.dense:.4f} dense, {quality.slim:.4f} slim"
        return PassResult(program, (quality,), log)


def _compare(objective: Objective, dense: Program, slim: Program, batch: Mapping[str, Tensor]) -> Totals:
    with torch.no_grad():
        reference = dense(batch)
        outputs = reference if slim is dense else slim(batch)
    return Totals.of(objective, outputs, reference, batch)
