"""Cutting documents into passages, and passages into three parts that share no text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Cut = Callable[[str], list[str]]


def stretches(text: str, size: int) -> list[str]:
    """`text` in pieces of about `size` characters that join to it again, cut at paragraphs, else at spaces."""
    pieces = [""]
    for paragraph in re.split(r"(?<=\n\n)", text):
        for part in _shorter(paragraph, size):
            if pieces[-1] and len(pieces[-1]) + len(part) > size:
                pieces.append("")
            pieces[-1] += part
    return [piece for piece in pieces if piece] if text.strip() else []


def paragraphs(text: str, size: int) -> list[str]:
    """The paragraphs of `text`, of at most about `size` characters: between blank lines, else one a line."""
    parts = re.split(r"\n\s*\n", text.strip())
    if len(parts) == 1:
        parts = text.strip().split("\n")
    return [piece.strip() for part in parts for piece in _shorter(part, size) if piece.strip()]


def split(documents: Sequence[str], shares: Sequence[int], cut: Cut, seed: int) -> list[list[str]]:
    """The passages of `documents` in as many parts as there are `shares`, sized like them.

    Whole documents are dealt out in an order drawn by `seed`. Where that leaves a part with less than
    half its share (few or very unequal documents), the documents are laid end to end and the parts
    are consecutive stretches. A passage that repeats is kept once, so parts share none.
    """
    seen: set[str] = set()
    cuts: list[list[str]] = []
    for document in documents:
        fresh = [passage for passage in dict.fromkeys(cut(document)) if passage not in seen]
        seen.update(fresh)
        if fresh:
            cuts.append(fresh)
    return _dealt(cuts, shares, seed) or _consecutive(cuts, shares)


def _dealt(documents: list[list[str]], shares: Sequence[int], seed: int) -> list[list[str]] | None:
    parts: list[list[str]] = [[] for _ in shares]
    filled = [0.0 for _ in shares]
    for document in random.Random(seed).sample(documents, len(documents)):
        place = min(range(len(shares)), key=filled.__getitem__)
        parts[place] += document
        filled[place] += _size(document) / shares[place]
    fair = sum(map(_size, documents)) / sum(shares)
    return parts if min(filled) >= fair / 2 and all(parts) else None


def _consecutive(documents: list[list[str]], shares: Sequence[int]) -> list[list[str]]:
    passages = [passage for document in documents for passage in document]
    total, done, place = _size(passages), 0, 0
    parts: list[list[str]] = [[] for _ in shares]
    for number, passage in enumerate(passages):
        full = done >= total * sum(shares[: place + 1]) / sum(shares)
        last_chance = len(passages) - number < len(shares) - place
        if place + 1 < len(shares) and parts[place] and (full or last_chance):
            place += 1
        parts[place].append(passage)
        done += len(passage)
    return parts


def _size(passages: list[str]) -> int:
    return sum(map(len, passages))


def _shorter(text: str, size: int) -> list[str]:
    """`text` in pieces of at most `size` characters, cut before a space where there is one."""
    pieces = []
    while len(text) > size:
        at = text.rfind(" ", max(1, size // 2), size)
        at = size if at < 0 else at
        pieces.append(text[:at])
        text = text[at:]
    return [*pieces, text]
