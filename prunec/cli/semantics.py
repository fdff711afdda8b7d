"""`prunec semantics MODEL --calibration PATH`: which tokens each unit answers to, and which a removal forgets."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    PRINTED,
    TEXTS,
    Debug,
    MaybePath,
    Model,
    Remote,
    Seed,
    Task,
    Verbose,
    Version,
    command,
    flag,
    option,
)
from prunec.cli.work import at_work
from prunec.texts import read_words

ASKED = "What is asked"

HELP = (
    "See which tokens each unit of a model answers to, and which tokens a removal forgets.\n\n"
    "A unit answers to a token where it is surely stronger than on the whole of the text: by the mean size of what it "
    "hands on, in shares of the unit's own mean, less the error of so few occurrences. Rare tokens are not told "
    "apart.\n\n"
    "With the report of a compile, each token has what its units lose by the removal, beside what as many units drawn "
    "at random would lose. Repair comes after that and is not looked at.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec semantics ./minilm --calibration texts.jsonl\n"
    "  prunec ./minilm -o slim.onnx --budget-params 19M --calibration texts.jsonl\n"
    "  prunec semantics ./minilm --calibration texts.jsonl --report slim.report.json -o answers.json\n"
    "\b\n"
)

Text = Annotated[list[str], option("--calibration", ASKED, "PATH", TEXTS)]
ReportFile = Annotated[MaybePath, option("--report", ASKED, "FILE", "Report of a compile: what was removed.")]
Top = Annotated[int, option("--top", ASKED, "N", "Tokens of a unit, and rows of what is forgotten and kept, at most.")]

Output = Annotated[MaybePath, typer.Option("--output", "-o", metavar="FILE", help="Every unit and token, as .json.")]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="One line, no progress.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("MODEL --calibration PATH [OPTIONS]"), help=HELP)
def attribute_units(
    context: typer.Context,
    model: Model,
    calibration: Text,
    report: ReportFile = None,
    output: Output = None,
    top: Top = 10,
    task: Task = None,
    trust_remote_code: Remote = False,
    seed: Seed = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Attribute, and print what was found."""
    named = ("output", "report", "top", "task", "trust_remote_code", "seed", "force")
    options = {name: context.params[name] for name in named}
    texts = read_words(calibration)
    assert texts is not None, "typer requires the option"
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.attributor import semantics

        found = semantics(model, texts, progress=progress, **options)
    from prunec.report.semantics_page import headline, print_semantics

    if json:
        sys.stdout.write(found.to_json())
    elif quiet:
        print(headline(found))
    else:
        print_semantics(found, Console(highlight=False), top)
        if output is not None:
            print(f"every unit and token: {output}")
