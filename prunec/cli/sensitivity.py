"""`prunec sensitivity MODEL --speedup 1.5 --calibration a=A --calibration b=B`: what the calibration text changes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    CUTTING,
    PRINTED,
    Backend,
    Cache,
    Debug,
    Ema,
    Importance,
    Latency,
    MaybePath,
    MaybeText,
    Model,
    Params,
    Passes,
    Remote,
    Seed,
    Size,
    Speedup,
    Task,
    Threads,
    Verbose,
    Version,
    Work,
    command,
    flag,
    option,
)
from prunec.cli.work import at_work
from prunec.options import parse_budget
from prunec.texts import read_words

HELP = (
    "See how much it matters what text a model is calibrated on.\n\n"
    "Under one budget, a plan of what goes is made by each calibration text and one by all of them in equal shares. "
    "Each slim program is repaired by the text of its plan, and its loss measured on every text, on a part that no "
    "plan was made by; --recover none shows what the choice of units does alone. What goes by two plans is compared "
    "with what chance would have in common. The model is traced, its structure found and its costs measured once. "
    "Nothing is emitted: what a plan costs is predicted, from the tables that a compile searches in.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec sensitivity ./minilm --speedup 1.5 --calibration wiki=wiki.txt --calibration tales=tales.txt\n"
    "\b\n"
    "printed on two processors, among other lines,\n"
    "  plan by  parameters  on wiki          on tales\n"
    "  wiki         18.3 M    0.937             0.893  \N{MINUS SIGN}0.055\n"
    "  tales        18.3 M    0.847  \N{MINUS SIGN}0.090     0.948\n\n"
    "Both plans promise the same speed. On tales, the model calibrated on encyclopaedia text keeps a cosine of 0.893 "
    "to the dense model, 0.055 less than the one calibrated on tales.\n"
)

Output = Annotated[MaybePath, typer.Option("--output", "-o", metavar="FILE", help="Everything as JSON: .json.")]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]
TEXT = "A text and what it is called: .txt, .jsonl or a folder of them. Give two or more."
Calibration = Annotated[list[str] | None, option("--calibration", CUTTING, "NAME=PATH", TEXT)]
REPAIR = "Repair of each slim program by the text of its plan, as in a compile; none shows the choice alone."
Recover = Annotated[MaybeText, option("--recover", CUTTING, "HOW", REPAIR, "lsq")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="One line, no progress.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("MODEL BUDGET --calibration NAME=PATH --calibration NAME=PATH [OPTIONS]"), help=HELP)
def compare_texts(
    context: typer.Context,
    model: Model,
    calibration: Calibration = None,
    output: Output = None,
    budget_latency: Latency = None,
    speedup: Speedup = None,
    budget_params: Params = None,
    budget_size: Size = None,
    workload: Work = None,
    threads: Threads = None,
    backend: Backend = "onnx",
    task: Task = None,
    importance: Importance = None,
    ema: Ema = None,
    recover: Recover = None,
    passes: Passes = None,
    trust_remote_code: Remote = False,
    seed: Seed = 0,
    cache_dir: Cache = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Check what can be checked at once, compare, and print what was found."""
    parse_budget(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    surface = {"model", "cache_dir", "quiet", "json", "verbose", "debug", "version"}
    options = {name: value for name, value in context.params.items() if name not in surface}
    options["calibration"] = read_words(calibration or ())
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.comparer import sensitivity

        found = sensitivity(model, progress=progress, cache=cache_dir, **options)
    from prunec.report.sensitivity_page import headline, print_sensitivity

    if json:
        sys.stdout.write(found.to_json())
    elif quiet:
        print(headline(found))
    else:
        print_sensitivity(found, Console(highlight=False))
