"""How far two files of scores agree: on the order of units, and on which would go first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from prunec.errors import InputError
from prunec.facts import Scores

SUBLAYERS = "sublayers"


@dataclass(frozen=True)
class Agreement:
    """Two scorings of one family, or of several, each figure the median over them; or of all sublayers.

    Attributes:
        first, second: what the scorings are called.
        families: the family's name, how many there are, or `sublayers`.
        rank: Spearman's correlation of the scores; not a number where one scores all units alike.
        quarter, half: of the units that either would remove first, a quarter or half of all, the share that both would.
    """

    first: str
    second: str
    families: str
    rank: float
    quarter: float
    half: float


def agreements(scorings: Mapping[str, Scores], *, by_family: bool) -> list[Agreement]:
    """The agreement of every two of `scorings`, by family or over all of them, then on sublayers where both score them.

    Raises:
        InputError: there are fewer than two, they are not of the same units, or one scores units alone and the
            other sublayers alone.
    """
    if len(scorings) < 2:
        raise InputError(f"{len(scorings)} files of scores cannot be compared", "name two or more")
    found: list[Agreement] = []
    for (first, one), (second, other) in combinations(scorings.items(), 2):
        _require_same_units(first, one, second, other)
        rows = [
            Agreement(first, second, name, *_figures(values, other.units[name]))
            for name, values in one.units.items()
            if other.units
        ]
        found.extend(rows if by_family or not rows else [_median(rows)])
        if one.sublayers and other.sublayers:
            figures = [np.array([scores.sublayers[name] for name in one.sublayers]) for scores in (one, other)]
            found.append(Agreement(first, second, SUBLAYERS, *_figures(*figures)))
    return found


def print_agreements(found: list[Agreement], console: Console) -> None:
    """A row for each agreement."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("first", "second", "families"):
        table.add_column(heading)
    for heading in ("rank", "same quarter", "same half"):
        table.add_column(heading, justify="right")
    for item in found:
        table.add_row(
            item.first, item.second, item.families, f"{item.rank:.2f}", f"{item.quarter:.0%}", f"{item.half:.0%}"
        )
    console.print(table)


def _figures(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    alike = len(np.unique(one)) < 2 or len(np.unique(other)) < 2
    rank = float("nan") if alike else float(spearmanr(one, other).statistic)
    return rank, _shared(one, other, 0.25), _shared(one, other, 0.5)


def _shared(one: np.ndarray, other: np.ndarray, share: float) -> float:
    """Of the lowest units of either, the share that both have among their lowest."""
    count = max(1, round(share * len(one)))
    first, second = (set(np.argsort(values, kind="stable")[:count].tolist()) for values in (one, other))
    return len(first & second) / len(first | second)


def _median(rows: list[Agreement]) -> Agreement:
    figures = np.array([(item.rank, item.quarter, item.half) for item in rows])
    known = figures[~np.isnan(figures[:, 0]), 0]
    rank = float(np.median(known)) if len(known) else float("nan")
    quarter, half = np.median(figures[:, 1:], axis=0).tolist()
    return Agreement(rows[0].first, rows[0].second, str(len(rows)), rank, quarter, half)


def _require_same_units(first: str, one: Scores, second: str, other: Scores) -> None:
    shapes, others = ({name: values.shape for name, values in scores.units.items()} for scores in (one, other))
    both = bool(shapes and others)
    if not both and not (one.sublayers and other.sublayers):
        raise InputError(f"{first} and {second} have no units or sublayers in common", "compare what scores the same")
    apart = _difference(shapes, others) if both else None
    if apart is None and one.sublayers and other.sublayers:
        apart = _difference(dict.fromkeys(one.sublayers), dict.fromkeys(other.sublayers))
    if apart is not None:
        raise InputError(f"{first} and {second} are not of the same units: {apart}", "score the same model twice")


def _difference(one: Mapping[str, object], other: Mapping[str, object]) -> str | None:
    """The first name that only one has, or that both have otherwise."""
    missing = object()
    return next((name for name in {**one, **other} if one.get(name, missing) != other.get(name, missing)), None)
