"""Mixtures: several criteria as one, as in `reconstruction+0.5*taylor`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from prunec.errors import InputError
from prunec.facts import Scores

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


def combined(text: str, terms: Sequence[Term], scores: Mapping[str, Scores]) -> Scores:
    """The mixture `text` of what each criterion gave, by name: units, and sublayers where all of them score those."""
    every = [scores[term.name] for term in terms]
    hashes = "+".join(dict.fromkeys(item.data_hash for item in every if item.data_hash))
    if len(every) == 1:
        return replace(every[0], criterion=text, data_hash=hashes)
    units = {
        family: mixed(terms, {term.name: scores[term.name].units[family] for term in terms})
        for family in every[0].units
    }
    if not all(item.sublayers for item in every):
        return Scores(text, hashes, units)
    names = list(every[0].sublayers)
    figures = {term.name: np.array([scores[term.name].sublayers[name] for name in names]) for term in terms}
    return Scores(text, hashes, units, dict(zip(names, mixed(terms, figures).tolist(), strict=True)))
