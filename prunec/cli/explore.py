"""`prunec explore PATH_FILE`: what goes under each budget, as a page with a slider."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    LATENCY,
    PRINTED,
    WORK,
    Cache,
    Debug,
    MaybePath,
    MaybeText,
    Remote,
    Seed,
    Task,
    Threads,
    Verbose,
    Version,
    command,
    flag,
    option,
)
from prunec.cli.work import at_work

HELP = (
    "See what every budget would remove, before you choose one.\n\n"
    "PATH_FILE is what a compile kept with --save-path. The page has a slider over budgets; at each it shows what goes "
    "of every layer, the damage that was measured, and the command that cuts the model there. It opens in any browser "
    "without a network.\n\n"
    "The file alone knows parameters, so budgets are of parameters. With --model they are of time: latencies are "
    "predicted by the cost tables of this machine, which a compile or prunec inspect for the same workload left in the "
    "cache; else they are measured, which takes a minute or more. Each plan is what a compile finds there, before it "
    "is tried and corrected.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.5 --save-path slim.path.safetensors\n"
    "  prunec explore slim.path.safetensors    slim.path.html, budgets of parameters\n"
    "  prunec explore slim.path.safetensors --model ./minilm -o times.html    budgets of time\n"
    "  prunec explore slim.path.safetensors --json    all plans as JSON, no page\n"
    "\b\n"
)
EPILOG = "Exits with 0, 2 on bad input, else as the error says."

File = Annotated[Path, typer.Argument(show_default=False, metavar="PATH_FILE", help="A file of --save-path.")]
Output = Annotated[
    MaybePath, typer.Option("--output", "-o", metavar="FILE", help="The page, as .html; else beside the path file.")
]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing page.")]
TIMES = "Folder of the model: budgets are then of time, on this machine."
Model = Annotated[MaybePath, option("--model", LATENCY, "DIR", TIMES, "budgets of parameters")]
Work = Annotated[MaybeText, option("--workload", LATENCY, "PHASE:BxS", WORK, "by task")]
Kind = Annotated[MaybeText, option("--backend", LATENCY, "NAME", "The artifact kind that is timed.", "onnx")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="One line, no progress.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="All plans as JSON on standard output; a page only with -o.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("PATH_FILE [OPTIONS]"), help=HELP, epilog=EPILOG)
def explore_path(
    context: typer.Context,
    file: File,
    output: Output = None,
    force: Force = False,
    model: Model = None,
    workload: Work = None,
    threads: Threads = None,
    backend: Kind = None,
    task: Task = None,
    trust_remote_code: Remote = False,
    seed: Seed = 0,
    cache_dir: Cache = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Explore, write the page, and say where it is."""
    named = ("model", "workload", "threads", "backend", "task", "trust_remote_code", "seed", "force")
    options = {name: context.params[name] for name in named}
    page = output or (None if json else file.with_suffix(".html"))
    with at_work(quiet=quiet or json, verbose=verbose) as progress:
        from prunec.drivers.explorer import explore

        found = explore(file, page, progress=progress, cache=cache_dir, **options)
    if json:
        sys.stdout.write(found.to_json())
        return
    from prunec.report.exploration_page import headline, print_exploration

    if quiet:
        print(headline(found))
    else:
        print_exploration(found, Console(highlight=False))
    print(f"page: {page}")
