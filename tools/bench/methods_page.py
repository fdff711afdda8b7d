"""The page that `methods.py` writes: one table for each model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tools.bench.attribution_page import attribution_table
from tools.bench.methods_cases import METHODS
from tools.bench.right_page import right_table
from tools.bench.rows import speedup, spread

Row = dict[str, Any]
Column = tuple[float, str]
"""A speed-up that was asked for, and a text."""

HEAD = """# Published methods, measured

Written by `tools/bench/methods.py`; the raw figures are in `quality.json` beside this page.

Every row is one way to compile, at every speed-up the same measured budget, the same text for scoring and choosing,
and text that no compile has seen for the figures, which are those of the artifact: how much worse it is than the dense
model. Behind each figure stands its ratio to the best published method in that column. What is behind those columns is
given in their order; *speed-up* is the median over rounds of the dense file's time by this one's. Where a method was
run with several seeds, which draw the text that it reads, a figure is the mean of them with half their range, and what
is behind is of the first. A row whose speed-up is well above what was asked removed more than it had to, for a noisy
timing or because whole sublayers cannot spend a budget closely: it does not compare, and a ratio to it flatters the
others.

The methods, as options of a compile, and where those differ from what was published:
"""


def page(rows: list[Row]) -> str:
    """`rows` as a page of Markdown."""
    lines = [HEAD, *map(_described, METHODS)]
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        lines += ["", f"## {model}", "", *_table([row for row in own if "method" in row])]
        lines += attribution_table([row for row in own if "part" in row])
    return "\n".join(lines) + "\n"


def _described(name: str) -> str:
    method = METHODS[name]
    words = " ".join(f"--{option.replace('_', '-')} {value}" for option, value in method.options.items())
    return f"- {name}: {f'`{words}`' if words else 'the default'}{f'; {method.source}' if method.source else ''}"


def _table(rows: list[Row]) -> list[str]:
    measured = [row for row in rows if "increase" in row]
    told = [(row, row.get("error") or row.get("note")) for row in rows]
    notes = [f"\n{row['method']} at {row['speedup_asked']:g}x: {words}." for row, words in told if words]
    if not measured:
        return notes
    first = measured[0]
    columns = [(speed, text) for speed in sorted({row["speedup_asked"] for row in rows}) for text in first["loss"]]
    best = {column: _best(measured, column) for column in columns}
    head = [*(f"{speed:g}x, {text}" for speed, text in columns), "speed-up", "parameters, M", "compile, s", "peak, GB"]
    dense = ", ".join(f"{text} {figures[0]:.3f}" for text, figures in first["loss"].items())
    return [
        f"{first['machine']}. Figures are of {first['metric']}; dense: {dense}.",
        "",
        "| method | " + " | ".join(head) + " |",
        "|" + "---|" * (len(head) + 1),
        *(_line(name, rows, columns, best) for name in METHODS if any(row["method"] == name for row in rows)),
        *right_table("method", _placed(measured)),
        *notes,
    ]


def _placed(rows: list[Row]) -> Iterator[tuple[str, str, Row]]:
    """Rows in the order of methods, each with its line and its column."""
    for name in METHODS:
        yield from ((name, f"{row['speedup_asked']:g}x", row) for row in rows if row["method"] == name)


def _best(rows: list[Row], column: Column) -> float:
    """The least increase of a published method in a column; NaN where none is there."""
    published = (name for name, method in METHODS.items() if method.published)
    means = (float(np.mean(found)) for name in published if (found := _increases(rows, name, column)))
    return min(means, default=np.nan)


def _increases(rows: list[Row], name: str, column: Column) -> list[float]:
    """How much worse a method is in a column, by seed."""
    speed, text = column
    own = [row for row in rows if (row["method"], row["speedup_asked"]) == (name, speed)]
    return [row["increase"][text] for row in own if row.get("increase")]


def _line(name: str, rows: list[Row], columns: list[Column], best: dict[Column, float]) -> str:
    own = {row["speedup_asked"]: row for row in reversed(rows) if row["method"] == name}
    done = [own[speed] for speed in sorted(own) if "increase" in own[speed]]
    cells = [_cell(own.get(speed), _increases(rows, name, (speed, text)), best[speed, text]) for speed, text in columns]
    cells.append(", ".join(f"{speedup(row):.2f}" for row in done))
    cells.append(", ".join(f"{row['parameters'][1] / 1e6:.1f}" for row in done))
    cells.append(", ".join(f"{row['seconds']:.0f}" for row in done))
    cells.append(", ".join(f"{row['peak_memory_bytes'] / 1e9:.1f}" for row in done))
    return f"| {name} | " + " | ".join(cells) + " |"


def _cell(row: Row | None, increases: list[float], best: float) -> str:
    """How much worse, and its ratio to the best; what became of the first `row` where there are no figures."""
    if row is None:
        return ""
    if not increases:
        return "failed" if "error" in row else "missed"
    ratio = np.mean(increases) / best
    return spread(increases) + (f" ({ratio:.2f})" if np.isfinite(ratio) else "")
