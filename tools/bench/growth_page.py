"""The page that `growth.py` writes: seconds by size, and the exponent of each step."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import linregress

Row = dict[str, Any]

LARGEST = 4
"""An exponent is fitted to so many of the largest sizes: small ones show what a step takes whatever its size."""
LINEAR = 1.1
"""An exponent above this is more than linear, if its standard error does not reach so far."""

WHY = {
    "damage": "Each removal is measured by all layers after it, so on a fixed text this is the square of the layers; "
    "a compile reads less text the more there is to measure, down to 512 tokens.",
    "importance": "Reconstruction inverts the second moments of each family, which takes the cube of its neurons; "
    "criteria that need no such matrix, such as `wanda` or `fisher`, do not.",
}
"""What is known of the causes, by step."""

HEAD = """# How a compile grows

Written by `tools/bench/growth.py`; the raw figures are in `growth.json` beside this page.

Seconds of processor time on one thread, of random Llamas: of 2 to 64 layers, 256 wide; and of 2 layers, 256 to 8192
wide. `trace`, `verify`, `structure` (discovery) and `search` (the integer program, on made-up scores, costs and
damages) need no weights, and are measured on models without; the others have weights, up to 2048 wide. `importance`
and `damage` read 512 tokens each. *exponent* is the slope of the logarithms over the four largest sizes, with its
standard error: 1 is linear. A model twice as wide has four times the parameters, so what computes with every weight
goes with the square of the width: what is named is what grows faster than the layers, or than the parameters.
"""


def exponent(rows: list[Row], by: str) -> tuple[float, float]:
    """The slope of the logarithm of seconds by that of `by`, and its standard error; NaN of fewer than three sizes."""
    largest = sorted(rows, key=lambda row: row[by])[-LARGEST:]
    if len(largest) < 3:
        return float("nan"), float("nan")
    fit = linregress(np.log([row[by] for row in largest]), np.log([max(row["seconds"], 1e-4) for row in largest]))
    return float(fit.slope), float(fit.stderr)


def faster(rows: list[Row], sweep: str, by: str) -> list[str]:
    """The steps of a sweep that grow faster than linearly in `by`, each with how far where others go further."""
    own = [row for row in rows if row["sweep"] == sweep]
    furthest, said = max((row[sweep] for row in own), default=0), []
    for step in _steps(own):
        alone = [row for row in own if row["step"] == step]
        slope, error = exponent(alone, by)
        reached = max(row[sweep] for row in alone)
        if slope - error > LINEAR:
            said.append(f"`{step}` ({slope:.2f}" + (f", up to {reached})" if reached < furthest else ")"))
    return said


def named(rows: list[Row], sweep: str, by: str) -> str:
    """A sentence on what of a sweep grows faster than linearly in `by`, and why; or that nobody measured it."""
    sizes = [row[sweep] for row in rows if row["sweep"] == sweep]
    if not sizes:
        return f"By {sweep} nothing is measured yet."
    found = ", ".join(faster(rows, sweep, by)) or "nothing"
    why = " ".join(WHY[step] for step in WHY if f"`{step}`" in found)
    return f"Up to {sweep} of {max(sizes)}, faster than linearly in {by} grows: {found}. {why}".strip()


def page(rows: list[Row]) -> str:
    """`rows` as a page of Markdown."""
    lines = [HEAD, f"Measured on {rows[0]['machine']}.", ""] if rows else [HEAD]
    for sweep, size, by in (("layers", "layers", "layers"), ("width", "width", "parameters")):
        own = [row for row in rows if row["sweep"] == sweep]
        lines += [f"## By {sweep}", "", named(rows, sweep, by), ""]
        lines += _table(own, size, by) if own else []
    for name in dict.fromkeys(row["sweep"] for row in rows if row["sweep"] not in ("layers", "width")):
        own = [row for row in rows if row["sweep"] == name]
        said = ", ".join(f"{row['step']} {row['seconds']:.1f} s" for row in own)
        lines += [
            f"## {name}",
            "",
            f"{own[0]['layers']} layers, {own[0]['width']} wide, {own[0]['nodes']:,} nodes.",
            said,
            "",
        ]
    return "\n".join(lines)


def _table(rows: list[Row], size: str, by: str) -> list[str]:
    sizes = sorted({row[size] for row in rows})
    columns = [size] if by == size else [size, by]
    heads = ["step", *map(str, sizes), *(f"exponent, {column}" for column in columns)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for step in _steps(rows):
        own = {row[size]: row for row in rows if row["step"] == step}
        cells = [f"{own[value]['seconds']:.3g}" if value in own else "" for value in sizes]
        cells += ["{:.2f} ±{:.2f}".format(*exponent(list(own.values()), column)) for column in columns]
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _steps(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["step"] for row in rows))
