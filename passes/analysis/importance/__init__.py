"""`importance`: scores every unit by one criterion or several; each has a file beside this one."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.scorefile import SUFFIX, load_scores, require_fit
from prunec.errors import InputError
from prunec.facts import Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .criterion import Criterion, SummedCriterion
from .expert import Expert
from .mixture import mixed, read_mixture
from .scoring import score


@dataclass(frozen=True)
class ImportancePass(Pass):
    """Score units by `criterion`, in one pass over the scoring text.

    A criterion is found by its file: adding one means adding one file with a subclass of `Criterion`.

    Attributes:
        criterion: a name, or a mixture of names such as `reconstruction+0.5*taylor`; the name of a
            `.safetensors` file stands for the scores in it, `expert:NAME` for an expert over a criterion.
    """

    name: ClassVar[str] = "importance"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Scores, SecondMoments)

    criterion: str = "reconstruction"

    def __post_init__(self) -> None:
        for name in self._computed():
            make(name, 0)
        self._saved()

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Collect what the criteria ask for and score every family."""
        structure, terms, saved = facts[Structure], read_mixture(self.criterion), self._saved()
        for name, scores in saved.items():
            require_fit(scores, structure, Path(name))
        kinds = {name: make(name, context.seed) for name in self._computed()}
        found = score(program, facts, context, kinds)
        by_name = {**{name: scores.units for name, scores in saved.items()}, **found.units}
        units = {
            family.name: mixed(terms, {name: own[family.name] for name, own in by_name.items()})
            for family in structure.families
        }
        hashes = [scores.data_hash for scores in saved.values()] + [facts[Corpus].data_hash] * bool(found.statistics)
        given = (Scores(self.criterion, "+".join(filter(None, hashes)), units), found.moments(structure.families))
        summary = "; ".join([*(f"read from {name}" for name in saved), *(kind.summary for kind in kinds.values())])
        return PassResult(program, tuple(fact for fact in given if fact is not None), summary)

    def _computed(self) -> list[str]:
        """The criteria that are named."""
        return [term.name for term in read_mixture(self.criterion) if not term.name.endswith(SUFFIX)]

    def _saved(self) -> dict[str, Scores]:
        """The files that are named, and the scores in them."""
        names = [term.name for term in read_mixture(self.criterion)]
        return {name: load_scores(Path(name)) for name in names if name.endswith(SUFFIX)}


def criteria() -> dict[str, type[Criterion]]:
    """Every criterion by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    kinds = [*Criterion.__subclasses__(), *SummedCriterion.__subclasses__()]
    return {kind.name: kind for kind in sorted((kind for kind in kinds if kind is not SummedCriterion), key=_name)}


def make(name: str, seed: int) -> Criterion:
    """The criterion called `name`; `expert:taylor` is the expert over taylor.

    Raises:
        InputError: there is none, or it goes over no other one.
    """
    outer, mark, inner = name.partition(":")
    kinds = criteria()
    if outer not in kinds:
        near = difflib.get_close_matches(outer, kinds, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(f"there is no importance criterion '{outer}'", f"{hint}There are {', '.join(kinds)}")
    if not mark:
        return kinds[outer](seed)
    if kinds[outer] is not Expert:
        raise InputError(
            f"{outer} goes over no other criterion, as '{name}' has it", f"write {outer}, or expert:{outer}"
        )
    return Expert(seed, make(inner, seed))


def _name(kind: type[Criterion]) -> str:
    return kind.name
