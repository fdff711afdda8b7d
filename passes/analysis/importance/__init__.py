"""`importance`: scores every unit by one criterion. Each file beside this one is a criterion."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.executor import collect
from prunec.calibration.objective import Goal
from prunec.calibration.statistics import Gram, instances
from prunec.errors import InputError
from prunec.facts import Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .criterion import Criterion


@dataclass(frozen=True)
class ImportancePass(Pass):
    """Score units by `criterion`, in one pass over the scoring text.

    A criterion is found by its file: adding one means adding one file with a subclass of `Criterion`.
    """

    name: ClassVar[str] = "importance"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Scores, SecondMoments)

    criterion: str = "reconstruction"

    def __post_init__(self) -> None:
        if self.criterion not in criteria():
            near = difflib.get_close_matches(self.criterion, criteria(), n=3)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise InputError(
                f"there is no importance criterion '{self.criterion}'", f"{hint}There are {', '.join(criteria())}"
            )

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Collect what the criterion asks for and score every family."""
        structure, corpus = facts[Structure], facts[Corpus]
        criterion = criteria()[self.criterion](context.seed)
        statistics = instances(criterion.statistics)
        if statistics:
            collect(
                program,
                structure,
                corpus.score,
                statistics.values(),
                facts[Goal].objective,
                seed=context.seed,
                progress=context.progress,
            )
        units = {family.name: criterion.score(program, family, statistics) for family in structure.families}
        data_hash = corpus.data_hash if statistics else ""
        scores = Scores(self.criterion, data_hash, units)
        if Gram not in statistics:
            return PassResult(program, (scores,), criterion.summary)
        grams = statistics[Gram]
        moments = SecondMoments(
            {
                family.name: {name: grams.mean(family, site) for name, site in family.readers().items()}
                for family in structure.families
            }
        )
        return PassResult(program, (scores, moments), criterion.summary)


def criteria() -> dict[str, type[Criterion]]:
    """Every criterion by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {kind.name: kind for kind in sorted(Criterion.__subclasses__(), key=lambda kind: kind.name)}
