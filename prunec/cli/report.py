"""`prunec report slim.report.json`: the report of a compile as a page, or the reports of several as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunec.cli.options import Debug, MaybePath, Version, command
from prunec.errors import InputError
from prunec.files import checked_file, write_text

HELP = (
    "Draw the report of a compile as a page, which opens in any browser without a network.\n\n"
    "A compile draws it beside its artifact already. The reports of several compiles of one model, on one machine and "
    "at one workload, make one page, with the loss against the latency of all of them first, compiles of different "
    "pipelines by different marks. --with adds what was found out about one of them, or points of other making: "
    '{"points": [{"name": "int8", "latency_ms": 9.1, "losses": {"news": 3.5}}]}. What prunec ken --report-page wrote '
    "is drawn again, too.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec report slim.report.json --force    slim.report.html, drawn again\n"
    "  prunec report slim/ -o slim.html    of a folder that prunec wrote\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.25,1.5,2\n"
    "  prunec report slim-*.report.json -o all.html\n"
    "  prunec semantics ./minilm --calibration texts.jsonl --report slim.report.json -o answers.json\n"
    "  prunec report slim.report.json --with answers.json -o all.html    also what the removal forgets\n"
    "\b\n"
)

Places = Annotated[
    list[Path], typer.Argument(show_default=False, metavar="REPORT", help="Files *.report.json, or folders with one.")
]
Output = Annotated[
    MaybePath, typer.Option("--output", "-o", metavar="FILE", help="The page, as .html; else beside the one report.")
]
WITH = "What else to show: a file of prunec semantics or sensitivity, or points for loss against latency."
With = Annotated[list[Path] | None, typer.Option("--with", metavar="FILE", help=WITH)]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing page.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("REPORT... [OPTIONS]"), help=HELP)
def draw_reports(
    places: Places,
    output: Output = None,
    more: With = None,
    force: Force = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Read the reports, draw the page, and print where it is."""
    from prunec.report.companions import read_companion
    from prunec.report.page import ken
    from prunec.report.page.render import render
    from prunec.report.reading import read_ken, read_report, report_file
    from prunec.report.terminal import headline

    files = [report_file(place) for place in places]
    if output is None and len(files) > 1:
        raise InputError(f"a page of {len(files)} reports has no name", "give it one, as -o all.html")
    tuning = read_ken(files[0]) if len(files) == 1 else None
    reports = {} if tuning is not None else {str(file): read_report(file) for file in files}
    if tuning is not None and more:
        raise InputError(f"{files[0]} is of a fine-tuning, which nothing goes with", "leave --with out")
    companions = [read_companion(path, reports) for path in more or ()]
    page = checked_file(output or files[0].with_suffix(".html"), ".html", "pages are", force)
    assert page is not None, "it has a name"
    write_text(page, render(reports, companions) if tuning is None else ken.render_ken(tuning))
    if tuning is not None:
        print(f"{files[0]}: {ken.headline(tuning)}")
    for name, report in reports.items():
        print(f"{name}: {headline(report)}")
    print(f"page: {page}")
