"""`evolve`: the plan is improved by what whole plans lose, instead of what each place loses alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.removal import LEAST, at_most
from prunec.calibration.truth import Truth
from prunec.cost.allocation import Allocation
from prunec.facts import Ceiling, CostModel, Damage, Leanings, Plan, Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .places import Places
from .search import Found, Search

WORK = (0.0, 4e12, 1.6e13, 6.4e13)
"""Multiplications that measuring may take, by effort: of 135 million parameters one, four and fifteen minutes on two
idle cores."""
AGAIN = 0.25
"""The share of the work that is left where the budget makes the search run again: what was learned stays."""
CONFIRMING = 2048
"""Tokens of the choosing text that what looks better is measured on."""
CONFIRMED = 0.5
"""The share of the work that goes there, about: one plan in ten looks better."""
TRIALS_BY_PLACE = 4
"""Most plans tried, in places: beyond that a search finds nothing new."""


@dataclass(frozen=True)
class EvolvePass(Pass):
    """Improve a plan by the measured damage of whole plans, within the same budget.

    Damages measured one place at a time do not add up: what two places say alike is missed only when both go. Here
    whole plans are measured, what goes masked and what stays re-fitted from the second moments, as recovery will; a
    regression learns from them how much each place's damage weighs among all others, and the knapsack is solved anew
    with other weights (`Search`). Plans are proposed on scoring text; the best of them take the place of the first
    plan only where they lose less on the choosing text, which no proposal has seen.

    Attributes:
        effort: 0 does nothing; 1, 2 and 3 take about one, four and fifteen minutes for 135 million parameters.
        sizes, margin: as of `knapsack`.
    """

    name: ClassVar[str] = "evolve"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Damage, CostModel, Ceiling, Plan, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (SecondMoments, Leanings)
    gives: ClassVar[tuple[type, ...]] = (Plan, Leanings)

    effort: Literal[0, 1, 2, 3] = 1
    sizes: int = 32
    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the better plan, or none and why."""
        start = facts[Plan]
        if not self.effort:
            return PassResult(program, (), "not asked for")
        if start.is_empty():
            return PassResult(program, (), "the plan removes nothing")
        costs, learned = facts[CostModel], facts.get(Leanings)
        allocation = Allocation.of(facts[Structure], facts[Scores], facts[Damage], costs, self.sizes)
        work = WORK[self.effort] * (AGAIN if learned else 1)
        trials, tokens = shared_out(work, program, facts[Structure])
        truth = Truth(program, facts[Structure], facts[Goal].objective, facts.get(SecondMoments))
        propose = truth.on(at_most(facts[Corpus].score, tokens))
        confirm = truth.on(at_most(facts[Corpus].choose, CONFIRMING))
        first = Found(start, np.ones(0), propose(start), confirm(start))
        if min(first.proposing, first.confirming) <= 0:
            return PassResult(program, (), "the plan loses nothing")
        places = Places.of(allocation, start, first.proposing)
        first = replace(first, weights=places.array({}))
        search = Search(places, facts[Ceiling], self.margin, propose, confirm, np.random.default_rng(context.seed))
        best, tried = search.run(first, places.array(learned.weights if learned else {}), trials, context.progress)
        leanings = Leanings(dict(zip(places.names, best.weights.tolist(), strict=True)))
        log = f"{tried} plans tried, of damage {first.confirming:.4g} at first"
        if best is first:
            return PassResult(program, (leanings,), f"{log}: none is better")
        plan = replace(best.plan, predicted_damage=best.confirming)
        log = f"{log}: {best.confirming:.4g}, at {plan.predicted_cost:.4g} {costs.unit}"
        return PassResult(program, (plan, leanings), log)


def shared_out(work: float, program: Program, structure: Structure) -> tuple[int, int]:
    """How many plans are tried within `work`, and on how many tokens each is proposed.

    More work goes into more plans and into more text for each alike, from `LEAST` tokens up.
    """
    units = max(1.0, (1 - CONFIRMED) * work / program.parameter_count() / LEAST)
    places = len(structure.families) + len(structure.sublayers)
    trials = max(1, round(min(units, 8 * units**0.5, TRIALS_BY_PLACE * places)))
    return trials, LEAST * max(1, int(units / trials))
