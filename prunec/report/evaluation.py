"""What an artifact is worth on texts, beside the dense model: frozen, plain data, and a table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report.codec import encode
from prunec.report.data import Machine
from prunec.report.units import duration, signed

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class Row:
    """One text.

    Attributes:
        text: its name, or its path where it is the only one; or the path of what is no text.
        items: what the figures are means over: tokens or, for accuracies and cosines, texts or images.
        artifact: the figure of the artifact; `dense`: of the dense model, None where that was not given.
        artifact_range, dense_range: the 95 % Wilson interval of an accuracy, low and high; empty else.
        damage: distance of the artifact's outputs from the dense model's; None without that.
    """

    text: str
    items: int
    artifact: float
    dense: float | None
    artifact_range: tuple[float, ...] = ()
    dense_range: tuple[float, ...] = ()
    damage: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One artifact on one or several texts.

    Attributes:
        artifact: the file; `runtime` is what ran it.
        model: the folder of the dense model; None where it was not given.
        metric: the unit of the figures; `damage` is that of the distances.
        sequence: tokens in a window, or in a text at most; None where what was measured on is no text.
        asked: tokens asked for of each text; None is all of it.
        rows: a text each; of several, their sum comes first.
    """

    version: int = VERSION
    prunec: str
    created: str
    machine: Machine
    artifact: str
    runtime: str
    model: str | None
    metric: str
    higher_is_better: bool
    damage: str
    sequence: int | None
    asked: int | None
    rows: tuple[Row, ...]
    seconds: float

    def to_json(self) -> str:
        """The evaluation as JSON text."""
        return encode(self)


def print_evaluation(found: Evaluation, console: Console) -> None:
    """A line for each text."""
    ranged = any(row.artifact_range for row in found.rows)
    headings = ["artifact", *["95 %"] * ranged]
    if found.model is not None:
        headings += ["dense", *["95 %"] * ranged, "change", "damage"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("text", overflow="fold", min_width=8)
    for heading in ("items", *headings):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(Path(row.text).name, f"{row.items:,}", *_figures(row, ranged))
    console.print(table)
    better = "higher" if found.higher_is_better else "lower"
    lines = [f"{found.metric}; {better} is better", *([f"damage: {found.damage}"] if found.model is not None else [])]
    cut = [f"{found.sequence} tokens at most"] if found.sequence is not None else []
    lines.append(", ".join([f"{Path(found.artifact).name} by {found.runtime}", *cut, duration(found.seconds)]))
    for line in lines:
        console.print(Text(line, "dim"))


def _figures(row: Row, ranged: bool) -> Sequence[str]:
    cells = [f"{row.artifact:.4f}", *[_between(row.artifact_range)] * ranged]
    if row.dense is None or row.damage is None:
        return cells
    dense = [f"{row.dense:.4f}", *[_between(row.dense_range)] * ranged]
    return [*cells, *dense, signed(row.artifact - row.dense, 4), f"{row.damage:.4f}"]


def _between(edges: Sequence[float]) -> str:
    return "\N{EN DASH}".join(f"{edge:.3f}" for edge in edges)
