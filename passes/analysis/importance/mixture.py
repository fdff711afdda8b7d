"""Mixtures: several criteria as one, as in `reconstruction+0.5*taylor`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from prunec.errors import InputError
from prunec.facts import Scores, Structure

_TERM = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?([^\s*+]+)\s*")


@dataclass(frozen=True)
class Term:
    """One criterion of a mixture and how much it counts."""

    name: str
    weight: float


def read_mixture(text: str) -> tuple[Term, ...]:
    """The terms of `text`: names joined by `+`, each with a factor before a `*` where it is not 1.

    Raises:
        InputError: it reads otherwise, names a criterion twice, or gives one no weight.
    """
    found = [_TERM.fullmatch(part) for part in text.split("+")]
    terms = tuple(Term(match[2], float(match[1] or 1)) for match in found if match)
    if len(terms) != len(found) or not all(term.weight for term in terms):
        raise InputError(f"'{text}' is no mixture of criteria", "write one as reconstruction+0.5*taylor")
    names = [term.name for term in terms]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"'{text}' names {twice} twice", "name each criterion once")
    return terms


def mixed(terms: Sequence[Term], scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mixture's scores `[units]` of one family, or of all sublayers, from those of each criterion by name.

    Criteria measure in units that cannot be compared, so what is averaged, by weight, is each unit's rank in its
    family: the share of units that it is above, ties in the middle. One criterion alone keeps its own scores.
    """
    if len(terms) == 1:
        return scores[terms[0].name]
    ranks = [(rankdata(scores[term.name]) - 0.5) / len(scores[term.name]) for term in terms]
    return np.asarray(np.average(ranks, axis=0, weights=[term.weight for term in terms]))


def combined(text: str, structure: Structure, terms: Sequence[Term], scores: Mapping[str, Scores]) -> Scores:
    """The mixture `text` of what each criterion gave, by name: units, and sublayers where all of them score those."""
    every = [scores[term.name] for term in terms]
    hashes = "+".join(dict.fromkeys(item.data_hash for item in every if item.data_hash))
    units = {
        family.name: mixed(terms, {term.name: scores[term.name].units[family.name] for term in terms})
        for family in (structure.families if all(item.units for item in every) else ())
    }
    if not all(item.sublayers for item in every):
        return Scores(text, hashes, units, partners=every[0].partners if len(every) == 1 else {})
    names = [sublayer.name for sublayer in structure.sublayers]
    figures = {term.name: np.array([scores[term.name].sublayers[name] for name in names]) for term in terms}
    sublayers = dict(zip(names, mixed(terms, figures).tolist(), strict=True))
    # Ranks are in no unit, and what is undone of them is no share of anything.
    unit, undone = (every[0].unit, every[0].undone) if len(every) == 1 else ("", {})
    return Scores(text, hashes, units, sublayers, unit, undone)
