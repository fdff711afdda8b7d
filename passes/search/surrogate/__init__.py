"""`surrogate`: a regression on sampled plans predicts what others lose; the best it finds are measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.removal import affordable, at_most
from prunec.calibration.truth import Truth
from prunec.cost.line import require_units
from prunec.errors import InputError
from prunec.facts import Ceiling, CostModel, Leanings, Plan, Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .study import Study, even

CONFIRMING = 2048
"""Tokens of the choosing text that decide among the best."""


@dataclass(frozen=True)
class SurrogatePass(Pass):
    """Choose by an accuracy predictor: sample plans, measure them, fit, search by the fit, measure the best found.

    Ji et al. 2023, "Pruning Large Language Models via Accuracy Predictor" (arXiv 2309.09507): there boosted trees on
    sampled architectures; here a ridge regression of the logarithm of damage on the share of each place that goes and
    its square, the ridge by leave-one-out error. Which units of a family go is by their scores. Every plan that is
    sampled or proposed spends the budget: it is the choice of the knapsack for random weights of the places. Where the
    budget makes the search run again, the weights that were found are kept and nothing is sampled anew.

    Attributes:
        samples: plans that are measured for the fit, on scoring text, what stays re-fitted where moments are known.
        candidates: plans that are predicted.
        verified: of these the best by prediction, which are measured on choosing text; the best sample is one more.
        sizes, margin: as in `knapsack`.
    """

    name: ClassVar[str] = "surrogate"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, CostModel, Ceiling, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (SecondMoments, Leanings)
    gives: ClassVar[tuple[type, ...]] = (Plan, Leanings)

    samples: int = 64
    candidates: int = 256
    verified: int = 8
    sizes: int = 32
    margin: float = 0.01

    def __post_init__(self) -> None:
        for option, least in {"samples": 8, "candidates": 1, "verified": 1}.items():
            if getattr(self, option) < least:
                raise InputError(
                    f"surrogate with {option}={getattr(self, option)} finds nothing", f"give {least} or more"
                )

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: no choice meets the budget.
            InputError: no units are scored.
        """
        structure, scores, costs, ceiling = facts[Structure], facts[Scores], facts[CostModel], facts[Ceiling]
        require_units(scores, self.name)
        dense = costs.predict(structure, Plan({}))
        if dense <= ceiling.value:
            plan = Plan({}, predicted_cost=dense, search=self.name)
            return PassResult(program, (plan,), "the dense program is within the budget")
        allocation = even(structure, scores, costs, self.sizes)
        truth = Truth(program, structure, facts[Goal].objective, facts.get(SecondMoments))
        study = Study(allocation, ceiling, self.margin, np.random.default_rng(context.seed), context.progress)
        confirm = truth.on(at_most(facts[Corpus].choose, CONFIRMING))
        if (learned := facts.get(Leanings)) is not None:
            weights = np.array([learned.weights.get(name, 1.0) for name in study.names])
            log = "by the weights that were found before"
        else:
            propose = truth.on(at_most(facts[Corpus].score, affordable(self.samples, program)))
            study.sample(propose, self.samples)
            weights, log = study.best(confirm, self.candidates, self.verified)
        plan = study.plan(weights)
        plan = replace(plan, predicted_damage=confirm(plan), search=self.name)
        log = f"{log}: {plan.predicted_cost:.4g} {costs.unit}, damage {plan.predicted_damage:.4g}"
        leanings = Leanings(dict(zip(study.names, weights.tolist(), strict=True)))
        return PassResult(program, (plan, leanings), log)
