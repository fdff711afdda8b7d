"""The page that `rivals.py` writes: settings, and a table for each model."""

from __future__ import annotations

from typing import Any

from tools.bench.right_page import right_table
from tools.bench.rivals_cases import RIVALS

Row = dict[str, Any]

HEAD = """# What people would use instead, measured

Written by `tools/bench/rivals.py`; the raw figures are in `rivals.json` beside this page.

Every file is made in a process of its own, with its authors' settings, by the same calibration text or pictures; loaded
by the same runtime; timed by turns with prunec's dense file; and measured on text or pictures that nobody has seen: how
much worse it is than the dense file. *faster* is the median over rounds of the dense file's time by this one's, in wall
time and in processor time, which counts all threads and is the figure to read where the machine is shared. Pruned
transformers models are written by prunec's exporter, so that files differ in what was removed alone. *made* is the
processor time of loading, removing and writing; a dense file that a rival starts from is not in it. A rival that fails
has its error quoted below the table. Prunec is told a latency and the others a share, so rows compare at like speed,
not line by line.

Who they are:
"""


def page(rows: list[Row]) -> str:
    """`rows` as a page of Markdown."""
    used = [name for name in RIVALS if any(row["rival"] == name for row in rows)]
    lines = [HEAD, *(f"- {name}: {RIVALS[name].settings}." for name in used)]
    for model in dict.fromkeys(row["model"] for row in rows):
        lines += ["", f"## {model}", "", *_table([row for row in rows if row["model"] == model])]
    return "\n".join(lines) + "\n"


def _table(rows: list[Row]) -> list[str]:
    measured = sorted((row for row in rows if "loss" in row), key=lambda row: row["processor_ratio"], reverse=True)
    failures = [f"- {row['rival']}, {_told(row)}: `{row['error']}`" for row in rows if "error" in row]
    notes = ["", "Failed:", "", *failures] if failures else []
    if not measured:
        return notes
    first = measured[0]
    dense = ", ".join(f"{text} {figures[0]:.3f}" for text, figures in first["loss"].items())
    heads = ["told", "faster, wall", "faster, processor", *first["loss"], "file, MB", "made, processor s", "peak, GB"]
    loads = [row["load"] for row in measured]
    return [
        f"{first['machine']}, {first['workload']}; processes that were running or waiting to: {min(loads):.0f} to "
        f"{max(loads):.0f}. Worse by, in {first['metric']}; dense: {dense}, {first['dense_file_bytes'] / 1e6:.0f} MB.",
        "",
        "| rival | " + " | ".join(heads) + " |",
        "|" + "---|" * (len(heads) + 1),
        *map(_line, measured),
        *right_table("rival", ((f"{row['rival']}, {_told(row)}", "right", row) for row in measured)),
        *notes,
    ]


def _line(row: Row) -> str:
    cells = [
        _told(row),
        f"{1 / row['ratio']:.2f}",
        f"{1 / row['processor_ratio']:.2f}",
        *(f"{value:.3f}" for value in row["increase"].values()),
        f"{row['file_bytes'] / 1e6:.0f}",
        f"{row['processor_seconds']:.1f}",
        f"{row['peak_bytes'] / 1e9:.1f}",
    ]
    return f"| {row['rival']} | " + " | ".join(cells) + " |"


def _told(row: Row) -> str:
    return RIVALS[row["rival"]].told.format(row["amount"])
