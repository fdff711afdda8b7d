"""`prunec ken TUNED --base BASE -o task.ken`: what of a fine-tuning stays, and `--apply` to restore it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from prunec.cli.options import MODEL, PRINTED, Debug, MaybePath, Seed, Verbose, Version, command, flag, option
from prunec.cli.work import at_work
from prunec.drivers.budgets import read_amounts
from prunec.errors import InputError

STAYS = "What stays"
HELP = (
    "Write what stays of a fine-tuning as a file beside the base, or restore a model from both.\n\n"
    "Of each row of every weight matrix a share of the tuned values stays, and the rest goes back to the base's; "
    "biases, norms and tensors that the base lacks stay whole. Weights are read from safetensors, and nothing in the "
    "folders is run. The file is a part of the model's size; a restored model is no smaller and no faster. "
    "A file fits the base that it was made with, which is checked.\n\n"
    "With --physical a compile of TUNED can remove first the units of which least stays. What went back is as it was "
    "before tuning, not zero, so that removal takes away more than the file leaves out.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec ken ./news --base ./minilm -o news.ken --keep 0.25\n"
    "  prunec ken ./news --base ./minilm -o news.ken --keep-rows 16 --mode delta\n"
    "  prunec ken ./news --base ./minilm -o news.ken --keep 0.1,0.25,0.5    news-0.1.ken, ...\n"
    "  prunec ken ./news --base ./minilm -o news.ken --keep 0.25 --mode delta --physical kept.safetensors\n"
    "  prunec ./news -o slim.onnx --speedup 1.5 --importance kept.safetensors\n"
    "  prunec ken --apply news.ken --base ./minilm -o restored/\n"
)

Tuned = Annotated[MaybePath, typer.Argument(show_default=False, metavar="TUNED", help="Folder of the tuned model.")]
Base = Annotated[Path, option("--base", MODEL, "FOLDER", "The model that it was tuned from.")]
Apply = Annotated[MaybePath, option("--apply", MODEL, "FILE", "Restore the tuned model of this file instead.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="The file; with --apply, the folder.")]
MODES = "By density as published (faithful), by rarest change (delta), by size (magnitude), or random."
ModeText = Annotated[str | None, option("--mode", STAYS, "MODE", MODES, "faithful")]
KEEP = "The share of each row that stays; several, as 0.1,0.25, give a file each."
Keep = Annotated[str | None, option("--keep", STAYS, "SHARE", KEEP, "0.5")]
Rows = Annotated[str | None, option("--keep-rows", STAYS, "N", "Entries of each row that stay, instead.")]
PHYSICAL = "Also write how much of each unit stays, for --importance FILE of a compile."
Physical = Annotated[MaybePath, option("--physical", STAYS, "FILE", PHYSICAL)]
PAGE = "Also write news.ken.report.html, which shows where entries stay, and news.ken.report.json."
Page = Annotated[bool, flag("--report-page", panel=PRINTED, help=PAGE)]
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
    physical: Physical = None,
    seed: Seed = 0,
    force: Force = False,
    report_page: Page = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Write the file or the folder, and print what was written."""
    options: dict[str, Any] = {
        "mode": mode,
        "keep": _numbers("--keep", keep, float),
        "rows": _numbers("--keep-rows", keep_rows, int),
        "physical": physical,
    }
    options = {name: value for name, value in options.items() if value is not None}
    if (tuned is None) == (apply is None):
        raise InputError("one thing can be done at a time", "give the folder of a tuned model, or --apply FILE")
    if apply is not None and (options or json or report_page):
        raise InputError("--apply restores what a file holds", "leave out all but --base and -o")
    console = Console(highlight=False)
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.reverter import apply_ken, ken
        from prunec.report.codec import encode
        from prunec.report.ken import print_ken, print_sweep

        if apply is not None:
            folder = apply_ken(apply, base, output, force=force)
        else:
            assert tuned is not None
            found = ken(tuned, base, output, seed=seed, progress=progress, page=report_page, force=force, **options)
    if apply is not None:
        console.print(f"{folder}: the tuned model of {apply}, restored on {base}", soft_wrap=True)
    elif json:
        sys.stdout.write(encode(found))
    elif isinstance(found, tuple):
        print_sweep(found, console)
    else:
        print_ken(found, console)


def _numbers(flag: str, text: str | None, kind: type[float] | type[int]) -> float | list[float] | None:
    """The number that `text` is, or the list of them that commas part."""
    words = read_amounts(text)
    try:
        return words if words is None else kind(words) if isinstance(words, str) else [kind(word) for word in words]
    except ValueError as error:
        example = "0.25, or several as 0.1,0.25" if kind is float else "16, or several as 8,16"
        raise InputError(f"{flag} {text} cannot be read", f"write {example}") from error
