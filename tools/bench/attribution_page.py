"""What `attribution.py` adds to the page of methods: a table for each model and speed-up."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

WHOLE = "the whole plan, lsq"
"""The row that shares are of: what the default does."""

HEAD = """Where the loss of the default at {speedup:g}x comes from (`tools/bench/attribution.py`): damage over the dense
program on unseen text, of programs, not artifacts, re-fitted by `lsq` where nothing else is said; in brackets as a
share of the whole plan's. What the parts together lack to the whole is what they do to each other.
"""


def attribution_table(rows: list[Row]) -> list[str]:
    """The rows of one model as lines of Markdown; none where there are none."""
    lines: list[str] = []
    for speedup in sorted({row["speedup_asked"] for row in rows}):
        own = [row for row in rows if row["speedup_asked"] == speedup]
        whole = next((row["damage"] for row in own if row["part"] == WHOLE), None)
        texts = list(own[0]["damage"])
        lines += ["", HEAD.format(speedup=speedup), "| what goes | " + " | ".join(texts) + " | parameters, M |"]
        lines += ["|" + "---|" * (len(texts) + 2)]
        for row in own:
            cells = [_cell(value, whole and whole[text]) for text, value in row["damage"].items()]
            lines.append(f"| {row['part']} | {' | '.join(cells)} | {row['parameters'] / 1e6:.1f} |")
    return lines


def _cell(value: float, whole: float | None) -> str:
    return f"{value:.3f}" + (f" ({value / whole:.0%})" if whole else "")
