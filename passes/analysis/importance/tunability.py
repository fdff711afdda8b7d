"""Tunability: what is left of the damage of removing a sublayer once the next projection is re-fitted."""

from __future__ import annotations

from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.statistics import Collected
from prunec.calibration.windows import Windows
from prunec.facts import Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .criterion import Measure

ROUNDING = 1e-10
"""Squared relative errors below which single precision differs from itself."""


class Tunability(Measure):
    """`mean over tokens of |y - y'|^2 / |y|^2`, of the stream y behind the next feed-forward sublayer, re-fitted.

    Park et al. 2025, "SPRINT", the tunability-aware sensitivity: sublayer s is bypassed, and the output projection of
    the first feed-forward sublayer after it is re-fitted by least squares so that the stream y' behind it follows the
    dense one. `undone` is the share of the untuned error that this undoes. Where no such sublayer follows, the error
    is that of the stream behind s itself, and nothing is undone.

    Ours differs in four ways. The re-fit is ridge regression towards the weight as it is, its strength chosen on
    sequences of their own, and the error is measured on others again: on tokens that were fitted it is much too
    small. The error is squared, for that is what is minimised; the published code sums absolute differences, and
    calls them l2. It is relative token by token: some tokens, such as the first of a text, can have streams a
    thousand times the size of others, and would be all that a sum over tokens tells of. And it is not divided by
    the sublayer's latency: weighing importance against cost is the search's affair.

    It is an error nearby, and what the outputs make of it is not asked: late sublayers can cost far more than it says.
    """

    name: ClassVar[str] = "tunability"
    summary: ClassVar[str] = "relative change of the stream when the sublayer goes and the next projection is re-fitted"
    reads_text: ClassVar[bool] = True
    scores_units: ClassVar[bool] = False

    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Tuned errors and the share of the untuned ones that is undone, by sublayer."""
        sublayers = facts[Structure].sublayers
        windows = Windows(program, facts[Structure], facts[Corpus].score, self.seed)
        tuned: dict[str, float] = {}
        undone: dict[str, float] = {}
        for index in range(len(sublayers)):
            sublayer, mending = windows.step(), windows.mending()
            tuned[sublayer.name] = mending.tuned
            # A sublayer that adds nothing leaves nothing to undo but rounding.
            lost = mending.untuned > ROUNDING
            undone[sublayer.name] = 1 - mending.tuned / mending.untuned if lost else 0.0
            context.progress.item("re-fitting around sublayers", index + 1, len(sublayers))
        return Scores(self.name, self.text(facts), {}, tuned, undone=undone)
