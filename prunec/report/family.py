"""What came of several budgets: a line each in the terminal, and where the artifacts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.data import Report
from prunec.report.terminal import warnings


def print_family(reports: Sequence[Report], failures: Mapping[str, str], console: Console) -> None:
    """Print a row for each of `reports`, then `failures`, the reason by the budget that failed."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("budget", "", "latency", "speedup", "parameters", "size", "loss"):
        table.add_column(name, justify="left" if name in ("budget", "") else "right", no_wrap=True)
    for report in reports:
        table.add_row(*_row(report))
    console.print(table)
    console.print()
    for report in reports:
        path = report.model.artifact or "nothing was written"
        console.print(Text(f"{report.given['budget']}: {path}"), highlight=False, soft_wrap=True)
    for budget, why in failures.items():
        console.print(Text.assemble((f"{budget}: ", "bold red"), why), highlight=False, soft_wrap=True)
    for line in dict.fromkeys(line for report in reports for line in warnings(report)):
        console.print(Text.assemble(("warning: ", "bold yellow"), line), highlight=False)


def _row(report: Report) -> list[Text]:
    """Of one compile: what was asked, whether it holds, and what came out, dense figures left out."""
    held, latency, loss = report.budget.held, report.latency, report.loss
    cells = [str(report.given["budget"]), "held" if held else "MISSED"]
    cells += [units.milliseconds(latency.slim.median_ms), units.factor(latency.speedup)] if latency else ["", ""]
    cells += [units.count(report.model.parameters_slim), units.size(report.model.artifact_bytes or 0)]
    cells.append(
        f"{loss.texts[0].slim:.3f} {units.signed(loss.texts[0].slim - loss.texts[0].dense, 3)}" if loss else ""
    )
    return [Text(cell, ("green" if held else "bold red") if place == 1 else "") for place, cell in enumerate(cells)]
