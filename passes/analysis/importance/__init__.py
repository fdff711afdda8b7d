"""`importance`: scores every unit by one criterion or several; each has a file beside this one."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.errors import InputError
from prunec.facts import Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .criterion import Criterion
from .mixture import mixed, read_mixture
from .scoring import score


@dataclass(frozen=True)
class ImportancePass(Pass):
    """Score units by `criterion`, in one pass over the scoring text.

    A criterion is found by its file: adding one means adding one file with a subclass of `Criterion`.

    Attributes:
        criterion: a name, or a mixture of names such as `reconstruction+0.5*taylor`.
    """

    name: ClassVar[str] = "importance"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Scores, SecondMoments)

    criterion: str = "reconstruction"

    def __post_init__(self) -> None:
        for term in read_mixture(self.criterion):
            if term.name not in criteria():
                near = difflib.get_close_matches(term.name, criteria(), n=3)
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                raise InputError(
                    f"there is no importance criterion '{term.name}'", f"{hint}There are {', '.join(criteria())}"
                )

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Collect what the criteria ask for and score every family."""
        terms = read_mixture(self.criterion)
        kinds = {term.name: criteria()[term.name] for term in terms}
        families = facts[Structure].families
        found = score(program, facts, context, kinds)
        units = {
            family.name: mixed(terms, {name: found.units[name][family.name] for name in kinds}) for family in families
        }
        data_hash = facts[Corpus].data_hash if found.statistics else ""
        given = (Scores(self.criterion, data_hash, units), found.moments(families))
        summary = "; ".join(kind.summary for kind in kinds.values())
        return PassResult(program, tuple(fact for fact in given if fact is not None), summary)


def criteria() -> dict[str, type[Criterion]]:
    """Every criterion by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {kind.name: kind for kind in sorted(Criterion.__subclasses__(), key=lambda kind: kind.name)}
