"""`smooth`: factors move from features into the weights that read them, so that rounding loses less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.rounding import rounder, rounding
from prunec.cost.numerics import BLOCK, ROUNDED, int8_steps
from prunec.cost.target import Target
from prunec.ir.program import Program
from prunec.ir.scaling import scaled
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class SmoothPass(Pass):
    """Divide features that lie far apart in size, and multiply the weights that read them, by powers of two.

    What the program computes stays the same to the last bit; rounded to a grid that all features share, it loses less.
    Features are scaled where a weight makes them and nothing but weights reads them: after a norm before its products,
    after one factor of a gated feed-forward. Where the type rounds nothing, nothing is done.
    """

    name: ClassVar[str] = "smooth"
    needs: ClassVar[tuple[type, ...]] = (Corpus, Target)
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (object,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the program with its factors moved."""
        dtype = facts[Target].numerics.dtype
        if dtype not in ROUNDED:
            return PassResult(program, (), f"{dtype} rounds to no grid that features share")
        context.progress.item("rounding each product alone", 0, 0)
        found = rounding(program, facts[Corpus].score[0], rounder(dtype, BLOCK, int8_steps(facts[Target].backend)))
        moved = len(found.exponents)
        if not moved:
            return PassResult(program, (), "no features have weights before them alone, or none would lose less")
        return PassResult(scaled(program, found.exponents), (), f"the features of {moved} values are scaled")
