"""`evaluate`: the loss that people read, dense and slim, on text that nothing was chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.facts import Dense, Quality
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class EvaluatePass(Pass):
    """Measure the objective's report on the reporting text, once for dense and once for slim."""

    name: ClassVar[str] = "evaluate"
    needs: ClassVar[tuple[type, ...]] = (Dense, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Quality,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the quality."""
        objective, batches, dense = facts[Goal].objective, facts[Corpus].report, facts[Dense].program
        before, after, damage, items, lost_items = 0.0, 0.0, 0.0, 0.0, 0.0
        with torch.no_grad():
            for index, batch in enumerate(batches):
                reference = dense(batch)
                outputs = reference if program is dense else program(batch)
                total, count = objective.report(reference, reference, batch)
                before, items = before + total, items + count
                after += objective.report(outputs, reference, batch)[0]
                lost, count = objective.damage(outputs, reference, batch)
                damage, lost_items = damage + lost, lost_items + count
                context.progress.item("evaluating", index + 1, len(batches))
        quality = Quality(objective.report_unit, before / items, after / items, damage / lost_items, int(items))
        log = f"{quality.unit}: {quality.dense:.4f} dense, {quality.slim:.4f} slim"
        return PassResult(program, (quality,), log)
