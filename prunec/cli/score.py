"""`prunec score MODEL -o scores.safetensors`: how much each unit matters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    PRINTED,
    Cache,
    Calibration,
    Debug,
    Ema,
    Importance,
    Model,
    Remote,
    Seed,
    Task,
    Verbose,
    Version,
    command,
    flag,
)
from prunec.cli.work import at_work
from prunec.texts import read_words

HELP = (
    "Score every unit or sublayer that a compile could remove, and keep the scores.\n\n"
    "Higher scores stay longer; scores are compared within a family, as the neurons of one layer. Where a criterion "
    "scores sublayers, they are listed; where it scores nothing else, whole sublayers go. A compile reads the "
    "file again in the place of a criterion, alone or in a mixture, and so spends no time on scoring.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec score ./minilm -o taylor.safetensors --importance taylor --calibration texts.jsonl\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.5 --importance taylor.safetensors\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.5 --importance reconstruction+0.5*taylor.safetensors\n"
    "  prunec agree taylor.safetensors wanda.safetensors    how far two scorings agree\n"
)

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File of scores: .safetensors.")]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="One line at the end, no progress.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("MODEL -o FILE [OPTIONS]"), help=HELP)
def score_model(
    context: typer.Context,
    model: Model,
    output: Output,
    importance: Importance = None,
    ema: Ema = None,
    calibration: Calibration = None,
    task: Task = None,
    trust_remote_code: Remote = False,
    seed: Seed = 0,
    cache_dir: Cache = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Score, write, and say what was written."""
    named = ("ema", "task", "trust_remote_code", "seed", "force")
    options = {name: context.params[name] for name in named}
    options["calibration"] = read_words(calibration or ())
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.scorer import score

        if importance is not None:
            options["importance"] = importance
        found = score(model, output, progress=progress, cache=cache_dir, **options)
    console = Console(highlight=False, soft_wrap=True)
    if found.sublayers and not quiet:
        from prunec.report.sublayers import print_sublayers

        print_sublayers(found, console)
    counts = [f"{sum(len(values) for values in found.units.values()):,} units in {len(found.units)} families"]
    counts = [*(counts if found.units else ()), *([f"{len(found.sublayers)} sublayers"] if found.sublayers else ())]
    console.print(f"{output}: {' and '.join(counts)} by {found.criterion}")
