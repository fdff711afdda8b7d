"""Which tokens the units of one model answer to, and which a removal forgets: frozen, plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.report.codec import encode
from prunec.report.data import Stage

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class Forgotten:
    """What a removal takes of a token, before any repair, in shares of what its carriers responded.

    Attributes:
        lost: in all; below zero where units that stay gained more.
        removed: the part that removed units had.
        random: what as many units of each family, drawn at random, would have had.
    """

    lost: float
    removed: float
    random: float


@dataclass(frozen=True)
class Token:
    """A token that is told apart, and how often it occurs; `forgotten` where there is a removal."""

    id: int
    text: str
    occurrences: int
    forgotten: Forgotten | None = None


@dataclass(frozen=True)
class Unit:
    """A unit that answers to tokens.

    Attributes:
        mean: mean size of what it hands on.
        tokens: their ids, the surest first.
        responses: mean size where each stands, in shares of `mean`.
    """

    index: int
    mean: float
    tokens: tuple[int, ...]
    responses: tuple[float, ...]


@dataclass(frozen=True)
class Family:
    """Units of one kind in one place.

    Attributes:
        sublayer: name of the sublayer around it, empty outside any.
        answers: the units that answer to any token.
        removed: indices of units that went, ascending; all of them where a sublayer went whole.
        after: those that stay and answer to any token then; empty without a removal.
        changed: of the tokens that units that stay answered to, the share that they no longer do; None where there is
            nothing to compare.
    """

    name: str
    kind: str
    sublayer: str
    units: int
    answers: tuple[Unit, ...]
    removed: tuple[int, ...] = ()
    after: tuple[Unit, ...] = ()
    changed: float | None = None


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """Everything that was found.

    Attributes:
        prunec: the version that looked.
        source: the model's folder.
        report: the report whose removal is looked at; empty without one.
        text: where the text came from; `text_hash` is over all of it.
        text_tokens: tokens that were read, padding left out.
        least: occurrences that a token needs to be told apart.
        carriers: how many units carry each token.
        tokens: those told apart, most frequent first.
        families: in the order of the model.
        left_out: names of families that are not read token by token.
        stages: tracing first; how long each took.
        warnings: one line each.
    """

    version: int = VERSION
    prunec: str
    source: str
    model_class: str
    task: str
    report: str
    text: str
    text_hash: str
    text_tokens: int
    least: int
    carriers: int
    tokens: tuple[Token, ...]
    families: tuple[Family, ...]
    left_out: tuple[str, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()
    derived: ClassVar[tuple[str, ...]] = ("covered",)

    @property
    def covered(self) -> float:
        """The share of the text that the tokens told apart make up."""
        return sum(token.occurrences for token in self.tokens) / self.text_tokens

    def to_json(self) -> str:
        """All of it as JSON text."""
        return encode(self)
