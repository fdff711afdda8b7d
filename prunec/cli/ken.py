"""`prunec ken TUNED --base BASE -o task.ken.safetensors`: what of a fine-tuning stays, and `--apply` to restore it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from prunec.cli.options import MODEL, PRINTED, Debug, MaybePath, Seed, Verbose, Version, command, flag, option
from prunec.cli.work import at_work
from prunec.errors import InputError

STAYS = "What stays"
HELP = (
    "Write what stays of a fine-tuning as a file beside the base, or restore a model from both.\n\n"
    "Of each row of every weight matrix a share of the tuned values stays, and the rest goes back to the base's; "
    "biases, norms and tensors that the base lacks stay whole. Weights are read from safetensors, and nothing in the "
    "folders is run. The file is a part of the model's size; a restored model is no smaller and no faster. "
    "A file fits the base that it was made with, which is checked.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec ken ./news --base ./minilm -o news.ken.safetensors --keep 0.25\n"
    "  prunec ken ./news --base ./minilm -o news.ken.safetensors --keep-rows 16 --mode delta\n"
    "  prunec ken --apply news.ken.safetensors --base ./minilm -o restored/\n"
)

Tuned = Annotated[MaybePath, typer.Argument(show_default=False, metavar="TUNED", help="Folder of the tuned model.")]
Base = Annotated[Path, option("--base", MODEL, "FOLDER", "The model that it was tuned from.")]
Apply = Annotated[MaybePath, option("--apply", MODEL, "FILE", "Restore the tuned model of this file instead.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="The file; with --apply, the folder.")]
MODES = "By density as published (faithful), by rarest change (delta), by size (magnitude), or random."
ModeText = Annotated[str | None, option("--mode", STAYS, "MODE", MODES, "faithful")]
Keep = Annotated[float | None, option("--keep", STAYS, "SHARE", "The share of each row that stays.", "0.5")]
Rows = Annotated[int | None, option("--keep-rows", STAYS, "N", "Entries of each row that stay, instead.")]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="No progress.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("TUNED --base BASE -o FILE [OPTIONS]"), help=HELP)
def keep_of_tuning(
    base: Base,
    output: Output,
    tuned: Tuned = None,
    apply: Apply = None,
    mode: ModeText = None,
    keep: Keep = None,
    keep_rows: Rows = None,
    seed: Seed = 0,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Write the file or the folder, and print what was written."""
    options: dict[str, Any] = {"mode": mode, "keep": keep, "rows": keep_rows}
    options = {name: value for name, value in options.items() if value is not None}
    if (tuned is None) == (apply is None):
        raise InputError("one thing can be done at a time", "give the folder of a tuned model, or --apply FILE")
    if len(options.keys() & {"keep", "rows"}) == 2:
        raise InputError("--keep and --keep-rows both say how many entries stay", "give one of them")
    if apply is not None and (options or json):
        raise InputError("--apply restores what a file holds", "leave out --mode, --keep, --keep-rows and --json")
    console = Console(highlight=False)
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.reverter import apply_ken, ken
        from prunec.report.ken import print_ken

        if apply is not None:
            folder = apply_ken(apply, base, output, force=force)
        else:
            assert tuned is not None
            found = ken(tuned, base, output, seed=seed, progress=progress, force=force, **options)
    if apply is not None:
        console.print(f"{folder}: the tuned model of {apply}, restored on {base}", soft_wrap=True)
    elif json:
        sys.stdout.write(found.to_json())
    else:
        print_ken(found, console)
