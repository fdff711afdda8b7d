"""Scoring by several criteria at once: one pass over the text collects what all of them ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prunec.calibration.corpus import Corpus
from prunec.calibration.executor import collect
from prunec.calibration.labels import EXAMPLE
from prunec.calibration.objective import Goal, Objective, with_labels
from prunec.calibration.statistics import Collected, Gram
from prunec.errors import InputError
from prunec.facts import Family, Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts

from .criterion import Measure
from .expert import Expert


@dataclass(frozen=True)
class Scored:
    """What each criterion gave, and what was collected for them.

    Attributes:
        scores: by criterion.
        statistics: what the text gave; empty where no criterion reads text.
    """

    scores: Mapping[str, Scores]
    statistics: Collected

    def moments(self, families: Iterable[Family]) -> SecondMoments | None:
        """Second moments where each family is read, if some criterion asked for them."""
        if Gram not in self.statistics:
            return None
        grams = self.statistics[Gram]
        return SecondMoments(
            {
                family.name: {name: grams.mean(family, site) for name, site in family.readers().items()}
                for family in families
            }
        )


def score(
    program: Program,
    facts: Facts,
    context: Context,
    criteria: Mapping[str, Measure],
    ema: float | None = None,
) -> Scored:
    """Score the structure in `facts` by each of `criteria`; what they collect is collected in one pass over the text.

    Where an expert is among them, the pass goes through one named corpus after the other, and what the expert asks
    for is kept of each as well as of all.

    With `ema`, what is collected is a moving average over its sequences.

    Raises:
        InputError: a criterion needs labels, and the text has none; or an expert stands beside others and `ema` is
            given, so that these would weigh the last corpus most.
        PassError: an activation is not finite; the family is named.
    """
    structure, corpus = facts[Structure], facts[Corpus]
    objective = with_labels(facts[Goal].objective, corpus.score)
    _require_truth(criteria, objective)
    every, own = (
        Collected(kind for criterion in criteria.values() for kind in criterion.wants()),
        _apart(corpus, criteria),
    )
    if not own and any(isinstance(criterion, Expert) for criterion in criteria.values()):
        context.progress.warn("expert combines nothing: calibration has one text; give several as NAME=PATH")
    if own and ema is not None and len(criteria) > 1:
        raise InputError("an expert in a mixture cannot be a moving average", "name expert alone, or leave out ema")
    streams = [(corpus.named[name].score, [*every, *kept]) for name, kept in own.items()] or [(corpus.score, [*every])]
    for batches, statistics in streams if every else ():
        collect(
            program,
            structure,
            batches,
            statistics,
            objective,
            seed=context.seed,
            progress=context.progress,
            ema=ema,
        )

    def scores(criterion: Measure) -> Scores:
        if own and isinstance(criterion, Expert):
            return criterion.across(program, facts, list(own.values()))
        return criterion.scores(program, facts, context, every)

    return Scored({name: scores(criterion) for name, criterion in criteria.items()}, every)


def _apart(corpus: Corpus, criteria: Mapping[str, Measure]) -> dict[str, Collected]:
    """By corpus, what is collected of each alone; nothing where there is but one, or no expert."""
    kinds = [kind for criterion in criteria.values() if isinstance(criterion, Expert) for kind in criterion.wants()]
    return {name: Collected(kinds) for name in corpus.named} if kinds and len(corpus.named) > 1 else {}


def _require_truth(criteria: Mapping[str, Measure], objective: Objective) -> None:
    for name, criterion in criteria.items():
        needing = criterion.base if isinstance(criterion, Expert) else criterion
        if needing.needs_truth and not objective.knows_truth:
            raise InputError(
                f"{name} needs labels, and the calibration text has none for this model",
                f"give a text classifier and --calibration with rows such as {EXAMPLE}",
            )
