"""The page that `criteria.py` writes: a table of quality and one of costs for each model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tools.bench.rows import Row, spread, table

HEAD = """# Importance criteria, measured

Written by `tools/bench/criteria.py`; the raw figures are in `criteria.json` beside this page.

Criteria of units are compared at the same sizes: of every family that the cost tables price the same share goes,
lowest scores first, the least share that meets the speed-up by those tables. Criteria of sublayers take away whole
sublayers instead, for the same predicted time, and nothing is fitted then. *cut* is the model as it is cut; *fitted*
has the weights that read each family fitted to what is left, in closed form, from the text that the criterion was
scored on. No search divides the budget among layers and no further recovery follows, as they do in a compile: the
figures compare criteria, and are no figures of what a compile gives. `expert` is scored on text of both kinds in equal
shares, and what it leaves is fitted to both; all others see text of the first kind alone. So its *fitted* figures
beside theirs are those of other text, in scoring and in the fit, before they are those of another criterion.

Each figure is the mean of the seeds, which draw the text and what a criterion draws itself, with half their range
behind it.
"""


def page(rows: list[Row]) -> str:
    """`rows` as a page of Markdown."""
    lines = [HEAD]
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        lines += [f"## {model}", "", *_quality(own), *_costs(own)]
    return "\n".join(lines) + "\n"


def _quality(rows: list[Row]) -> list[str]:
    dense = next((row for row in rows if "dense" in row), None)
    measured = [row for row in rows if "speedup" in row]
    if dense is None or not measured:
        return []
    higher = dense["unit"] == "accuracy"
    texts = list(dense["dense"])
    speedups = sorted({row["speedup"] for row in measured})
    columns = [
        (text, speedup, kind)
        for speedup in speedups
        for kind in ("cut", "fitted")
        for text in texts
        if any(kind in row and row["speedup"] == speedup and row["share"] for row in measured)
    ]
    shares = {row["speedup"]: row["share"] for row in measured if row["share"]}
    lines = [
        f"Figures are of {dense['unit']}; dense: "
        + ", ".join(f"{text} {value:.3f}" for text, (value, _) in dense["dense"].items())
        + ". Shares of every family that go: "
        + ", ".join(f"{share:.1%} at {speedup:g}x" for speedup, share in shares.items())
        + ".",
        "",
    ]
    head = ["seeds", *(f"{speedup:g}x {kind}, {text}" for text, speedup, kind in columns)]
    lines += table(["criterion", *head], _ranked(measured, columns, higher))
    if higher:
        lines += ["Divergence from the dense model, nats a prediction:", ""]
        lines += table(["criterion", *head], _ranked(measured, columns, False, 1))
    return lines


def _ranked(
    rows: list[Row], columns: list[tuple[str, float, str]], higher: bool, figure: int = 0
) -> Iterable[tuple[str, list[str]]]:
    """A line for each criterion, best first by the mean over the columns of what is fitted."""
    lines = []
    for name in dict.fromkeys(row["criterion"] for row in rows):
        own = [row for row in rows if row["criterion"] == name]
        cells, means = [str(len({row["seed"] for row in own}))], []
        for text, speedup, kind in columns:
            found = [
                _figures(row, kind)[text][figure] for row in own if row["speedup"] == speedup and _figures(row, kind)
            ]
            cells.append(spread(found))
            if found and kind == "fitted":
                means.append(float(np.mean(found)))
        lines.append((-np.mean(means) if higher else np.mean(means), name, cells))
    return [(name, cells) for _, name, cells in sorted(lines)]


def _figures(row: Row, kind: str) -> dict[str, list[float]]:
    """What was measured of `kind`; of whole sublayers nothing is fitted, and both are the same."""
    found: dict[str, list[float]] = row.get(kind, {}) if row["share"] else row["cut"]
    return found


def _costs(rows: list[Row]) -> list[str]:
    measured = sorted((row for row in rows if "seconds" in row), key=lambda row: row["processor_seconds"])
    if not measured:
        return []
    return [
        "What `prunec score` takes, of a process of its own, loading and tracing included (processor time adds up all",
        "threads, and is the figure to read where the machine is shared):",
        "",
        *table(
            ["criterion", "processor", "wall", "peak memory"],
            [
                (
                    row["criterion"],
                    [
                        f"{row['processor_seconds']:.0f} s",
                        f"{row['seconds']:.0f} s",
                        f"{row['peak_bytes'] / 1e9:.2f} GB",
                    ],
                )
                for row in measured
            ],
        ),
    ]
