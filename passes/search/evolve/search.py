"""The search: weigh a few places anew, choose within the budget, measure the whole, and believe anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from prunec.facts import Ceiling, Plan
from prunec.passbase import Progress

from .belief import Belief
from .places import Places

SHARES = (1, 2, 4, 8)
"""How many places a proposal weighs anew, one of these at random."""
DRAWS = 8
"""Draws before a search gives up finding a plan that it has not measured."""


Measure = Callable[[Plan], float]


@dataclass(frozen=True)
class Found:
    """A plan, the weights `[places]` by which it was chosen, and its damage on both texts; infinite where not measured.

    Attributes:
        proposing: on the text that every plan is measured on.
        confirming: on the other text.
    """

    plan: Plan
    weights: np.ndarray
    proposing: float
    confirming: float = np.inf


@dataclass
class Search:
    """A local search among the plans that are the best for some weights, which all spend the budget.

    Each proposal takes the weights of the best plan so far, and at a few places weights drawn from what is believed of
    them (Thompson sampling, Thompson 1933): a place of which little is known is tried far from its weight, one that
    is known comes out as before. A choice is solved exactly, so what one place gives back the others pay for. A plan
    takes the place of the best one where it loses less on both of two texts: among many plans, some do on one by luck.

    Attributes:
        places: what can be chosen.
        ceiling, margin: the budget, and what is kept free of it.
        propose: the damage of a whole plan on the first text; `confirm`: on the second.
        generator: for every draw.
    """

    places: Places
    ceiling: Ceiling
    margin: float
    propose: Measure
    confirm: Measure
    generator: np.random.Generator

    def run(self, start: Found, weights: np.ndarray, trials: int, progress: Progress) -> tuple[Found, int]:
        """The best of `start` and up to `trials` other plans within the ceiling, and how many there were.

        Args:
            start: the plan that the damages as they are give, measured on both texts.
            weights: `[places]`, by which the first of the others is chosen.
            trials: how many others are measured at most.
            progress: one item a trial, with the damage of the best on the second text.
        """
        best, belief, seen = start, Belief(), [start.plan]
        belief.observe(self.places.losses(start.plan), start.proposing)
        proposal = self._new(weights, seen)
        for trial in range(trials):
            proposal = proposal or self._drawn(best, belief, seen)
            if proposal is None:
                break
            seen.append(proposal.plan)
            found = replace(proposal, proposing=self.propose(proposal.plan))
            belief.observe(self.places.losses(found.plan), found.proposing)
            if found.proposing < best.proposing:
                found = replace(found, confirming=self.confirm(found.plan))
                best = found if found.confirming < best.confirming else best
            progress.item(f"evolving the plan, damage {best.confirming:.4g}", trial + 1, trials)
            proposal = None
        return best, len(seen) - 1

    def _drawn(self, best: Found, belief: Belief, seen: list[Plan]) -> Found | None:
        """A plan that was not `seen`; None where no draw makes one."""
        for _ in range(DRAWS):
            count = min(len(best.weights), int(self.generator.choice(SHARES)))
            chosen = self.generator.choice(len(best.weights), count, replace=False)
            weights = best.weights.copy()
            weights[chosen] = belief.drawn(self.generator)[chosen]
            if found := self._new(weights, seen):
                return found
        return None

    def _new(self, weights: np.ndarray, seen: list[Plan]) -> Found | None:
        """The best plan by `weights`, unless it was `seen` before."""
        plan = self.places.weighed(weights).plan(self.ceiling, self.margin)
        return None if any(item.removes_as(plan) for item in seen) else Found(plan, weights, np.inf)
