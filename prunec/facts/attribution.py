"""What units answer to: the tokens at which each responds most, and which tokens a removal forgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    """The tokens that the units of one family answer to.

    Attributes:
        means: mean size |a| over all tokens, `[units]`.
        tokens: `[units, top]`, places in `Attribution.tokens`, the surest first; -1 where a unit answers to no more.
        responses: `[units, top]`, mean size where the token stands, in shares of the unit's own mean; 0 at -1.
    """

    means: np.ndarray
    tokens: np.ndarray
    responses: np.ndarray


@dataclass(frozen=True)
class Forgetting:
    """What a plan takes from the units that carry each token, before any repair; all `[tokens]` in shares of the whole.

    Attributes:
        lost: the response that is gone, of removed units and of those that stay; below zero where these gained more.
        removed: the part of it that removed units had.
        random: the same as `removed`, expected of as many units of each family drawn at random.
        after: by family name, what the units that stay answer to then.
    """

    lost: np.ndarray
    removed: np.ndarray
    random: np.ndarray
    after: Mapping[str, Answers]


@dataclass(frozen=True)
class Attribution:
    """Which tokens each unit answers to.

    Attributes:
        tokens: ids that occur often enough to be told apart, most frequent first, `[tokens]`.
        occurrences: how often each does, `[tokens]`.
        text_tokens: tokens of the text in all, padding left out.
        carriers: how many units carry each token.
        families: by family name, in the order of the structure.
        left_out: names of families that are not read token by token.
        forgetting: where a plan was given.
    """

    tokens: np.ndarray
    occurrences: np.ndarray
    text_tokens: int
    carriers: int
    families: Mapping[str, Answers]
    left_out: tuple[str, ...] = ()
    forgetting: Forgetting | None = None
