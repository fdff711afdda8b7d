"""`recover`: closed-form repair of what is left, applied only where held-out loss falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.heldout import HeldOut
from prunec.calibration.objective import Goal
from prunec.calibration.tokens import Batch
from prunec.facts import Dense, Plan, Recovered, Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.options import unpaired
from prunec.passbase import Context, Facts, Pass, PassResult

from .merge import merged_weights
from .obs import dense_moments, losing, updated
from .walk import HELD_OUT, Walk, parted

Repair = tuple[Program, list[str], Mapping[str, tuple[float, float]]]
"""The program, the sublayers that changed, and what each of them missed before and after, where that is known."""


@dataclass(frozen=True)
class RecoverPass(Pass):
    """Re-fit each surviving output projection so that the slim residual stream follows the dense one.

    The layers are walked in order, each seeing the slim stream that the re-fitted layers before it
    make, so that a projection also mends what was lost earlier. `lsq` fits the weight by ridge
    regression towards its own value, the strength chosen on held-out tokens; `bias` only shifts the
    output by the mean of what is missing (FLAP, An et al. 2024, equation 6, here along the walk).
    `merge` goes by the pairs of `mutual-information`: of each pair the unit that stays takes over
    the share of the other that regression on the dense model gives it, and the output is shifted
    as by `bias`.

    `rescale` gives every unit that stays one factor, by least squares along the walk, with a ridge towards 1 whose
    strength is chosen on held-out tokens. That is the mask tuning of Kwon et al. 2022, "A Fast Post-Training Pruning
    Framework for Transformers", there towards what a milder mask gives and with one ridge for all; it stops at the
    first layer with a factor above 10, as theirs does. `obs` needs no walk: what reads removed units is updated as
    the optimal brain surgeon does (Kurtic et al. 2023, "ZipLM"), each weight by the second moments of its dense
    input.

    The whole is kept only if it lowers the damage on the choosing text. Walks hold out every fourth batch of the
    scoring text, which is divided anew where it has fewer than four; with fewer than four rows nothing is re-fitted,
    and a warning says so.
    """

    name: ClassVar[str] = "recover"
    needs: ClassVar[tuple[type, ...]] = (Structure, Plan, Dense, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Recovered,)
    reads: ClassVar[tuple[type, ...]] = (Scores, SecondMoments)
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (object,)

    method: Literal["none", "bias", "merge", "rescale", "obs", "lsq"] = "lsq"

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the repaired program, or the same one and why.

        Raises:
            InputError: units are to be merged, and scoring paired none.
        """
        plan, dense = facts[Plan], facts[Dense].program
        corpus, objective = facts[Corpus], facts[Goal].objective
        if self.method == "none" or plan.is_empty():
            return PassResult(program, (), "nothing to recover" if plan.is_empty() else "not asked for")
        batches = parted(corpus.score, dense)
        if self.method == "obs":
            repaired, fitted, missing = self._updated(program, facts, context)
        elif len(batches) < HELD_OUT:
            reason = f"{len(batches)} batches of scoring text cannot both fit a repair and choose it"
            context.progress.warn(f"the slim model is not re-fitted: {reason}, give {HELD_OUT} or more")
            return PassResult(program, (), f"not re-fitted: {reason}")
        else:
            repaired, fitted, missing = self._walked(program, facts, context, batches)
        if not fitted:
            return PassResult(program, (), "no projection gained on held-out tokens")
        held_out = HeldOut.of(dense, corpus.choose, objective)
        before, after = held_out.damage(program), held_out.damage(repaired)
        if not after < before:  # it may be no number
            return PassResult(
                program,
                (Recovered(self.method, (), before, before),),
                f"held-out damage would not fall: {before:.4g} to {after:.4g}",
            )
        log = f"{len(fitted)} projections re-fitted: held-out damage {before:.4g} to {after:.4g}"
        return PassResult(repaired, (Recovered(self.method, tuple(fitted), before, after, missing),), log)

    def _walked(self, program: Program, facts: Facts, context: Context, batches: list[Batch]) -> Repair:
        """The program re-fitted along the residual stream, and the sublayers where that changed something."""
        dense, structure = facts[Dense].program, facts[Structure]
        walk = Walk(dense, program, structure, facts[Plan], batches, context.progress, self._merged(facts))
        fitted = walk.run(self.method)
        return walk.repaired(), fitted, walk.missing

    def _updated(self, program: Program, facts: Facts, context: Context) -> Repair:
        """The program with the surgeon's updates, and the sublayers (or families) that lost units."""
        structure, plan, dense = facts[Structure], facts[Plan], facts[Dense].program
        moments = facts.get(SecondMoments) or dense_moments(
            dense, structure, plan, facts[Corpus].score, facts[Goal].objective, context
        )
        places = [(structure.sublayer_of(item.name) or item).name for item in losing(structure, plan)]
        return updated(program, dense, structure, plan, moments), list(dict.fromkeys(places)), {}

    def _merged(self, facts: Facts) -> dict[str, Tensor]:
        """What `merge` puts in, by the weight's name; nothing for the other methods."""
        if self.method != "merge":
            return {}
        scores, moments = facts.get(Scores), facts.get(SecondMoments)
        if scores is None or moments is None or not scores.partners:
            raise unpaired(scores.criterion if scores else "")
        return merged_weights(facts[Dense].program, facts[Structure], facts[Plan], scores.partners, moments)
