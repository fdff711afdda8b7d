"""What stays of a fine-tuning, in figures: for a terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.codec import encode

VERSION = 2


@dataclass(frozen=True)
class KeptUnits:
    """How much of the weights of the units that a compile could remove is not the base's.

    Attributes:
        scores: the file with the share of each unit.
        units: how many there are.
        reverted: of those, units of whose matrices nothing is left that is not the base's.
        least, median, most: shares.
    """

    scores: str
    units: int
    reverted: int
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class KenMatrix:
    """Where entries of one matrix stay that are not the base's.

    Attributes:
        name: by the tuned model.
        rows, columns: of the matrix; of more axes than two, as they are chosen from.
        kept: how many entries stay.
        change, change_kept: the sum of squares of what tuning changed, and that part of it which stays.
        neighbours: `[5]`, entries that stay by how many of their four neighbours stay too.
        cells: how many rows and columns the map has.
        map: the share of each cell's entries that stays in 255ths, a byte a cell, row by row, in base 64.
    """

    name: str
    rows: int
    columns: int
    kept: int
    change: float
    change_kept: float
    neighbours: tuple[int, ...]
    cells: tuple[int, ...]
    map: str


@dataclass(frozen=True)
class KenReport:
    """What was written, and how large it is beside the model.

    Attributes:
        version: of this form.
        prunec: the version that wrote it.
        artifact, tuned, base: the file, and the folders it was made of.
        base_hash: hash of the base's tensors that the tuned model has too.
        mode: how entries were chosen.
        keep, rows: the share of each row, or the entries of it, that stay; the other is None.
        entries: of all tensors that both models have.
        stayed: of those, entries that stay as they were tuned.
        stored: of those, entries that tuning changed: what is in the file.
        whole: names of the tensors that the tuned model alone has, which are in the file whole.
        whole_entries: of those tensors.
        artifact_bytes, model_bytes: of the file, and of the tuned model's weights.
        seconds: the work took.
        physical: units that a compile could remove, where they were asked for.
        matrices: where entries stay, for the page; empty without one.
    """

    derived: ClassVar[tuple[str, ...]] = ("share",)

    prunec: str
    artifact: str
    tuned: str
    base: str
    base_hash: str
    mode: str
    keep: float | None
    rows: int | None
    entries: int
    stayed: int
    stored: int
    whole: tuple[str, ...]
    whole_entries: int
    artifact_bytes: int
    model_bytes: int
    seconds: float
    physical: KeptUnits | None = None
    matrices: tuple[KenMatrix, ...] = ()
    version: int = VERSION

    @property
    def share(self) -> float:
        """Of the entries of both models, those that stay as they were tuned."""
        return self.stayed / max(1, self.entries)

    def to_json(self) -> str:
        """The report as JSON text."""
        return encode(self)


def print_ken(found: KenReport, console: Console) -> None:
    """What stays and how many bytes it is, a line each."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", style="dim")
    for heading in ("entries", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("in both models", f"{found.entries:,}", "")
    table.add_row(f"stay, by {found.mode}", f"{found.stayed:,}", _percent(found.share))
    table.add_row("of those changed by tuning", f"{found.stored:,}", _percent(found.stored / max(1, found.entries)))
    table.add_row("in the tuned model alone", f"{found.whole_entries:,}", "")
    console.print(table)
    share = _percent(found.artifact_bytes / found.model_bytes)
    sizes = f"{units.size(found.artifact_bytes)} beside {units.size(found.model_bytes)} of weights, {share}"
    console.print(f"{found.artifact}: {sizes}", soft_wrap=True)
    if found.whole:
        names = ", ".join(found.whole[:4]) + f" and {len(found.whole) - 4} more" * (len(found.whole) > 4)
        console.print(Text(f"kept whole: {names}", "dim"), soft_wrap=True)
    _print_units(found, console)
    last = f"base {Path(found.base).name}, hash {found.base_hash[:12]}; {units.duration(found.seconds)}"
    console.print(Text(last, "dim"), soft_wrap=True)


def print_sweep(found: Sequence[KenReport], console: Console) -> None:
    """A line for each of the files, which differ in how many entries stay."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("keep", "stay", "share", "changed", "file", "of the weights"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        kept = f"{each.rows} a row" if each.rows is not None else f"{each.keep:g}"
        part = _percent(each.artifact_bytes / each.model_bytes)
        row = (f"{each.stayed:,}", _percent(each.share), f"{each.stored:,}", units.size(each.artifact_bytes), part)
        table.add_row(kept, *row)
    console.print(table)
    for each in found:
        console.print(each.artifact, soft_wrap=True)
        _print_units(each, console)
    first = found[0]
    last = f"by {first.mode}; base {Path(first.base).name}, hash {first.base_hash[:12]}; "
    console.print(Text(last + units.duration(sum(each.seconds for each in found)), "dim"), soft_wrap=True)


def _print_units(found: KenReport, console: Console) -> None:
    """What single entries come to over units, if that was asked for."""
    if (kept := found.physical) is not None:
        spread = f"{_percent(kept.least)} to {_percent(kept.most)} of one stays, {_percent(kept.median)} at the median"
        gone = f"{kept.reverted:,} of {kept.units:,} units went back whole"
        console.print(f"{kept.scores}: {gone}; {spread}", soft_wrap=True)


def _percent(share: float) -> str:
    return f"{share:.1%}"
