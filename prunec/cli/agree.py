"""`prunec agree A.safetensors B.safetensors`: how far files of scores agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import PRINTED, Debug, Version, command, flag

HELP = (
    "See how far files of scores agree, which prunec score wrote for one model.\n\n"
    "For every two files: the rank correlation of their scores (Spearman; 1 is the same order, 0 none), and of the "
    "units that either would remove first, a quarter or half of each family, the share that both would. The medians "
    "over families; with --all, each family. Sublayers have a line of their own.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec agree taylor.safetensors wanda.safetensors random.safetensors\n"
)

Files = Annotated[list[Path], typer.Argument(show_default=False, metavar="FILE", help="Files of scores.")]
All = Annotated[bool, flag("--all", "-a", panel=PRINTED, help="Every family in a line of its own.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("FILE FILE... [OPTIONS]"), help=HELP)
def compare_scores(files: Files, everything: All = False, debug: Debug = False, version: Version = False) -> None:
    """Read the files, and print how far every two agree."""
    from prunec.calibration.scorefile import load_scores
    from prunec.report.agreement import agreements, print_agreements

    unlike = len({path.stem for path in files}) == len(files)
    scorings = {path.stem if unlike else str(path): load_scores(path) for path in files}
    print_agreements(agreements(scorings, by_family=everything), Console(highlight=False))
