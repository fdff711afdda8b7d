"""What calibration texts have in common: what one is scored on, another must not report on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from prunec.calibration.passages import paragraphs
from prunec.calibration.textsource import Text
from prunec.errors import InputError

LONGEST = 1 << 20
"""Characters of a paragraph, beyond which it counts as several."""
WORDS = 8
"""Shorter paragraphs are headings, rules and names, which unlike texts may share."""


def require_distinct(texts: Mapping[str, Text]) -> list[str]:
    """Compare every two of `texts` by their paragraphs, however these lie in files.

    Returns:
        A line for each two that have long paragraphs in common.

    Raises:
        InputError: two hold the same paragraphs.
    """
    held = {name: _paragraphs(text) for name, text in texts.items()}
    notes = []
    for (first, one), (second, other) in combinations(held.items(), 2):
        if one == other:
            raise InputError(f"the calibration texts {first} and {second} are the same", "give texts that differ")
        common = sum(len(paragraph.split()) >= WORDS for paragraph in one & other)
        if common:
            notes.append(
                f"{common:,} paragraphs are in both {first} and {second}: "
                "what one plan was made by, the loss of the other may be measured on"
            )
    return notes


def _paragraphs(text: Text) -> set[str]:
    return {" ".join(part.split()) for document in text.documents for part in paragraphs(document, LONGEST)}
