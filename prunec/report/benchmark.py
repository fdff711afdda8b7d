"""Artifacts against each other: latency, throughput, memory, load time and size, as data and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.codec import encode
from prunec.report.data import Machine, Workload
from prunec.report.latency import Measured

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class Row:
    """One artifact.

    Attributes:
        artifact: the file.
        runtime: what ran it.
        latency: of one request.
        against_first: the median over rounds of the first artifact's time by this one's; above 1 is faster.
        rows_per_second: at the median; `tokens_per_second`: the same, None where rows have no length, as images.
        load_ms: time to load it, in a process of its own.
        memory_bytes: resident memory that loading and one run took there.
        file_bytes: with the files beside it whose names begin with its own.
    """

    artifact: str
    runtime: str
    latency: Measured
    against_first: float
    rows_per_second: float
    tokens_per_second: float | None
    load_ms: float
    memory_bytes: int
    file_bytes: int


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Artifacts timed by turns on one machine."""

    version: int = VERSION
    prunec: str
    created: str
    machine: Machine
    workload: Workload
    rows: tuple[Row, ...]

    def to_json(self) -> str:
        """The benchmark as JSON text."""
        return encode(self)


def print_benchmark(found: Benchmark, console: Console) -> None:
    """A line for each artifact."""
    names = [Path(row.artifact).name for row in found.rows]
    unlike = len(set(names)) == len(names)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("artifact", overflow="fold", min_width=12)
    unit = "rows/s" if found.rows[0].tokens_per_second is None else "tokens/s"
    for heading in ("median", "95 %", "faster", unit, "load", "memory", "file"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in zip(names, found.rows, strict=True):
        table.add_row(
            name if unlike else row.artifact,
            units.milliseconds(row.latency.median_ms),
            units.milliseconds(row.latency.p95_ms),
            units.factor(row.against_first),
            units.count(row.rows_per_second if row.tokens_per_second is None else row.tokens_per_second),
            units.milliseconds(row.load_ms),
            units.size(row.memory_bytes),
            units.size(row.file_bytes),
        )
    console.print(table)
    threads = found.workload.threads
    console.print(
        Text(
            f"{found.workload.text}, {threads} thread{'s' * (threads != 1)}, "
            f"{found.rows[0].latency.samples} rounds by turns, on {found.machine.cpu}",
            "dim",
        )
    )
