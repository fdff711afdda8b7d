"""`evaluate`: the loss that people read, dense and slim, on text that nothing was chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, with_labels
from prunec.calibration.quality import Answering, quality_of
from prunec.cost.answering import answering
from prunec.cost.target import Artifact, Target
from prunec.facts import Dense, Quality
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class EvaluatePass(Pass):
    """Measure the objective's report on the reporting text, dense and slim, as a whole and by named corpus.

    The slim program stands for its artifact, which computes the same, unless that rounds: then the artifact is run.
    """

    name: ClassVar[str] = "evaluate"
    needs: ClassVar[tuple[type, ...]] = (Dense, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (Target, Artifact)
    gives: ClassVar[tuple[type, ...]] = (Quality,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the quality."""
        corpus, dense = facts[Corpus], facts[Dense].program
        objective = with_labels(facts[Goal].objective, corpus.report)
        slim, what = self._slim(program, facts, context)
        quality = quality_of(slim, dense, corpus, objective, context.progress)
        log = f"{quality.unit}: {quality.dense:.4f} dense, {quality.slim:.4f} {what}"
        return PassResult(program, (quality,), log)

    def _slim(self, program: Program, facts: Facts, context: Context) -> tuple[Answering, str]:
        """What is measured beside the dense program, and what it is called."""
        target, artifact = facts.get(Target), facts.get(Artifact)
        if target is None or artifact is None or not target.reduced:
            return program, "slim"
        return answering(target, program, artifact.path, context.scratch), f"slim in {target.numerics.dtype}"
