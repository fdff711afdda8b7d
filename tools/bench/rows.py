"""Rows of measurements: kept as JSON as they come, shown as tables of Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prunec.files import write_text

Row = dict[str, Any]


def keep(row: Row, rows: list[Row], results: Path, written: Path, page: Callable[[list[Row]], str]) -> None:
    """Add `row`, and write both files: all rows at `results`, what `page` makes of them at `written`."""
    rows.append(row)
    write_text(results, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    write_text(written, page(rows))
    print(json.dumps(row), flush=True)


def speedup(row: Row) -> float:
    """How many times as fast as the dense artifact a compile's is, as the median of the ratios over rounds.

    A budget by speed-up is judged by that ratio: what was asked, at what that made the budget, tells it. A ratio of
    the two medians would feel every change of the machine's pace.
    """
    return float(row["budget_ms"] * row["speedup_asked"] / row["measured_ms"])


def trained(row: Row) -> bool:
    """Whether a compile trained what was left, as the default pipeline did not always do."""
    return "distill" in row["pipeline"]


def spread(found: Sequence[float]) -> str:
    """The mean of some figures, with half their range where they are several."""
    if not found:
        return ""
    half = (max(found) - min(found)) / 2
    return f"{np.mean(found):.3f}" + (f" ±{half:.3f}" if len(found) > 1 else "")


def table(head: Sequence[str], lines: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Lines of a table: `head` and, under its first column, what each line is of."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in lines),
        "",
    ]
