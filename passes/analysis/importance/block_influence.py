"""Block influence: how far a sublayer turns the residual stream."""

from __future__ import annotations

from typing import ClassVar

from prunec.calibration.statistics import AnyStatistic, Collected
from prunec.calibration.streams import Cosines
from prunec.facts import Scores, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .criterion import Measure


class BlockInfluence(Measure):
    """`1 - mean over tokens of cos(x, x + f(x))`, of each sublayer: 0 where it leaves the stream's direction alone.

    Men et al. 2024, "ShortGPT", equation 1, there for a decoder layer as a whole; here for each residual branch, so
    that attention and feed-forward compete, and for a layer where one branch holds both. Padding counts for nothing.
    A token is a vector along the last axis.
    """

    name: ClassVar[str] = "block-influence"
    summary: ClassVar[str] = "how far the sublayer turns the residual stream"
    statistics: ClassVar[tuple[type[AnyStatistic], ...]] = (Cosines,)
    scores_units: ClassVar[bool] = False

    def scores(self, program: Program, facts: Facts, context: Context, collected: Collected) -> Scores:
        """Cosine distances between 0 and 2, by sublayer."""
        sublayers = facts[Structure].sublayers
        # Rounding can leave a cosine above 1.
        distances = {item.name: max(0.0, 1 - collected[Cosines].mean(item)) for item in sublayers}
        return Scores(self.name, self.text(facts), {}, distances)
