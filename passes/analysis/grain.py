"""`grain`: which products lose too much where values and weights are rounded, so that they are rounded less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.rounding import Rounding, rounder, rounding, to_refine
from prunec.cost.numerics import BLOCK, ROUNDED, int8_steps
from prunec.cost.target import Target
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class GrainPass(Pass):
    """Give the products that a type of few bits would hurt most a finer grid, by the error of each on text.

    The error of a product is the mean over tokens of `|y' - y|^2 / |y|^2`, y' being the product of what is rounded,
    after `smooth`. In `int8` those above the limit are rounded by blocks of a token's features instead of by
    tensor; in `int4` to 8 bits instead of 4. Where requests have few tokens, products by blocks are as fast as those by
    tensor, and all are.

    Attributes:
        limit: in the place of the usual limit of the type; a lower one loses less and takes longer.
    """

    name: ClassVar[str] = "grain"
    needs: ClassVar[tuple[type, ...]] = (Corpus, Target)
    gives: ClassVar[tuple[type, ...]] = (Target, Rounding)

    limit: float | None = None

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give what rounding does, and the target with finer grids for some weights."""
        target, corpus = facts[Target], facts[Corpus]
        dtype, work = target.numerics.dtype, target.workload
        if dtype not in ROUNDED:
            return PassResult(program, (), f"{dtype} has one grid")
        context.progress.item("rounding each product alone", 0, 0)
        found = rounding(program, corpus.score[0], rounder(dtype, BLOCK, int8_steps(target.backend)))
        errors = found.errors
        fine = to_refine(errors, dtype, work.batch * work.sequence, self.limit)
        worst = max(errors, key=lambda name: errors[name], default="")
        log = f"{len(fine)} of {len(errors)} products are rounded less"
        if worst:
            log = f"{log}; the largest error is {errors[worst]:.2g}, of {worst}"
        return PassResult(program, (target.refined(fine), found), log)
