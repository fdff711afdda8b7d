"""What `attribution.py` adds to the page of methods: a table for each model and speed-up, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Row = dict[str, Any]

WHOLE, ONLY, TEXT = "the whole plan, ", "only its ", "the whole plan, re-fitted on "
RANDOM = "as many units of each family, drawn at random"
EQUAL = "an equal share of each family, whole blocks kept"
"""What rows are called, or begin with."""
REFERENCE = f"{WHOLE}lsq"
"""The row that shares are of: what a compile does before it trains."""

HEAD = """Where the loss of the default's plan at {speedup:g}x comes from, before training (`attribution.py`): damage
over the dense program on unseen text, of programs, not artifacts, re-fitted by `lsq` where nothing else is said; in
brackets as a share of the whole plan's.
"""


def attribution_table(rows: list[Row]) -> list[str]:
    """The rows of one model as lines of Markdown; none where there are none."""
    lines: list[str] = []
    for speedup in sorted({row["speedup_asked"] for row in rows}):
        own = [row for row in rows if row["speedup_asked"] == speedup]
        shares = _shares(own)
        texts = list(own[0]["damage"])
        lines += ["", HEAD.format(speedup=speedup), "| what goes | " + " | ".join(texts) + " | parameters, M |"]
        lines += ["|" + "---|" * (len(texts) + 2)]
        for row in own:
            cells = [_cell(row["damage"][text], shares.get(row["part"], {}).get(text)) for text in texts]
            lines.append(f"| {row['part']} | {' | '.join(cells)} | {row['parameters'] / 1e6:.1f} |")
        lines += ["", *(f"- {sentence}" for sentence in _findings(shares))]
    return lines


def _shares(rows: list[Row]) -> dict[str, dict[str, float]]:
    """By row and text the damage over the whole plan's; nothing where that is not measured yet."""
    whole = next((row["damage"] for row in rows if row["part"] == REFERENCE), None)
    if whole is None:
        return {}
    return {row["part"]: {text: value / whole[text] for text, value in row["damage"].items()} for row in rows}


def _findings(shares: dict[str, dict[str, float]]) -> Iterator[str]:
    """What the rows say, a sentence each, as far as they are there."""
    kinds = [part for part in shares if part.startswith(ONLY) and not part.startswith(f"{ONLY}block")]
    depths = [part for part in shares if part.startswith(f"{ONLY}block")]
    for name, parts in (("kind", kinds), ("depth", depths)):
        if parts:
            sums = _each(shares, parts)
            yield f"Parted by {name}, the pieces alone add up to {sums}; what is over or under 100%, they do together."
    for part, cause in (
        (f"{WHOLE}none", "without any repair"),
        (RANDOM, "with other units of the same families"),
        (EQUAL, "with the same time shared out equally"),
    ):
        if part in shares:
            yield f"The loss is {_each(shares, [part])} {cause}."
    for part in shares:
        if part.startswith(TEXT):
            yield f"On {part.removeprefix(TEXT)} to re-fit on it is {_each(shares, [part])}."


def _each(shares: dict[str, dict[str, float]], parts: list[str]) -> str:
    """The sum over `parts`, for each text."""
    texts = shares[REFERENCE]
    return " and ".join(f"{np.sum([shares[part][text] for part in parts]):.0%}" for text in texts)


def _cell(value: float, share: float | None) -> str:
    return f"{value:.3f}" + (f" ({share:.0%})" if share is not None else "")
