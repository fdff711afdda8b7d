"""`calibrate`: reads or writes the calibration text and splits it for scoring, choosing and reporting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.textsource import TextSource
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class CalibratePass(Pass):
    """Build the corpus from the text source that the compiler was given.

    Attributes:
        score, choose, report: tokens for scoring units, for choosing between candidates and for the report.
        batch: sequences a batch.
    """

    name: ClassVar[str] = "calibrate"
    needs: ClassVar[tuple[type, ...]] = (TextSource,)
    gives: ClassVar[tuple[type, ...]] = (Corpus,)

    score: int = 16_384
    choose: int = 2048
    report: int = 4096
    batch: int = 4

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the corpus."""
        corpus = facts[TextSource].build(
            program,
            tokens=(self.score, self.choose, self.report),
            batch=self.batch,
            seed=context.seed,
            progress=context.progress,
        )
        for note in corpus.notes:
            context.progress.warn(note)
        log = f"{corpus.description}, as no --calibration is given" if corpus.is_default else corpus.description
        return PassResult(program, (corpus,), log)
