"""`importance`: scores every unit or sublayer by one criterion or several; each has a file beside this one."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.scorefile import SUFFIX, load_scores, require_fit
from prunec.errors import InputError, PassError
from prunec.facts import Scores, SecondMoments, Structure
from prunec.ir.program import Program
from prunec.options import check_ema
from prunec.passbase import Context, Facts, Pass, PassResult

from .criterion import Measure
from .expert import Expert
from .mixture import combined, read_mixture
from .scoring import score


@dataclass(frozen=True)
class ImportancePass(Pass):
    """Score units or sublayers by `criterion`, in one pass over the scoring text.

    A criterion is found by its file: adding one means adding one file with a subclass of `Measure`.
    Most score units; some score sublayers, and then families stay whole; `loss` scores both.

    Attributes:
        criterion: a name, or a mixture of names such as `reconstruction+0.5*taylor`; the name of a
            `.safetensors` file stands for the scores in it, `expert:NAME` for an expert over a criterion.
        ema: what is kept of the past a sequence where statistics are moving averages over the corpus, in its order
            (drawn by the seed, not that of the text); None weighs all of it alike.
    """

    name: ClassVar[str] = "importance"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Scores, SecondMoments)

    criterion: str = "reconstruction"
    ema: float | None = None

    def __post_init__(self) -> None:
        for name in self._computed():
            make(name, 0)
        self._require_alike()
        check_ema(self.ema)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Collect what the criteria ask for and score every family."""
        structure, terms, saved = facts[Structure], read_mixture(self.criterion), self._saved()
        for name, held in saved.items():
            require_fit(held, structure, Path(name))
        kinds = {name: make(name, context.seed) for name in self._computed()}
        criterion = self.criterion if self.ema is None else f"{self.criterion}, ema={self.ema:g}"
        found = score(program, facts, context, kinds, self.ema)
        scores = combined(criterion, structure, terms, {**saved, **found.scores})
        if structure.families and not (scores.units or scores.sublayers):
            raise PassError(
                f"{self.criterion} scores sublayers, and this model has none", "name a criterion that scores units"
            )
        given = (scores, found.moments(structure.families))
        summary = "; ".join([*(f"read from {name}" for name in saved), *(kind.summary for kind in kinds.values())])
        return PassResult(program, tuple(fact for fact in given if fact is not None), summary + _undone(scores))

    def _require_alike(self) -> None:
        """Refuse a mixture of what scores units with what scores sublayers alone: no place has scores by both."""
        units = {name: make(name, 0).scores_units for name in self._computed()}
        units |= {name: bool(scores.units) for name, scores in self._saved().items()}
        whole = [name for name, scored in units.items() if not scored]
        if whole and len(whole) < len(units):
            other = next(name for name, scored in units.items() if scored)
            raise InputError(
                f"'{self.criterion}' mixes {whole[0]}, which scores sublayers alone, with {other}, which scores units",
                f"mix {whole[0]} with criteria of sublayers, or name {other} without it",
            )

    def _computed(self) -> list[str]:
        """The criteria that are named."""
        return [term.name for term in read_mixture(self.criterion) if not term.name.endswith(SUFFIX)]

    def _saved(self) -> dict[str, Scores]:
        """The files that are named, and the scores in them."""
        names = [term.name for term in read_mixture(self.criterion)]
        return {name: load_scores(Path(name)) for name in names if name.endswith(SUFFIX)}


def criteria() -> dict[str, type[Measure]]:
    """Every criterion by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    concrete: list[type[Measure]] = [kind for kind in _below(Measure) if not inspect.isabstract(kind)]
    return {kind.name: kind for kind in sorted(concrete, key=_name)}


def make(name: str, seed: int) -> Measure:
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


def _below(kind: type[Any]) -> list[type[Any]]:
    """The subclasses of `kind`, and theirs."""
    return [found for each in kind.__subclasses__() for found in (each, *_below(each))]


def _name(kind: type[Measure]) -> str:
    return kind.name


def _undone(scores: Scores) -> str:
    """What the log says of a criterion that re-fits."""
    if not scores.undone:
        return ""
    shares = sorted(scores.undone.items(), key=lambda item: item[1])
    (least, low), (most, high) = shares[0], shares[-1]
    median = float(np.median([share for _, share in shares]))
    return f"; re-fitting undoes {median:.0%} at the median, from {low:.0%} ({least}) to {high:.0%} ({most})"
