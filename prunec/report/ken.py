"""What stays of a fine-tuning, in figures: for a terminal, or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.codec import encode

VERSION = 1


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
    last = f"base {Path(found.base).name}, hash {found.base_hash[:12]}; {units.duration(found.seconds)}"
    console.print(Text(last, "dim"), soft_wrap=True)


def _percent(share: float) -> str:
    return f"{share:.1%}"
