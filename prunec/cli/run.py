"""`prunec run slim/ "text"`: the smallest proof that an artifact works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    DEVICE,
    MODEL,
    PRINTED,
    RUN,
    Debug,
    MaybePath,
    Task,
    Verbose,
    Version,
    command,
    flag,
    option,
)
from prunec.cli.work import at_work

HELP = (
    "Give an artifact one text, and see what it says.\n\n"
    "A model that generates goes on with the text or answers it, by the most likely token each time; a classifier "
    "gives each label's probability; any other that takes text gives the mean of its features. ARTIFACT is the folder "
    "that a compile wrote, or a file of any exporter with --tokenizer.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    '  prunec run slim/ "Once upon a time" --tokens 64\n'
    '  prunec run slim.onnx --tokenizer ./minilm "a sentence"\n'
)

Artifact = Annotated[
    Path, typer.Argument(show_default=False, metavar="ARTIFACT", help="A compile's folder, or a file.")
]
Words = Annotated[str, typer.Argument(show_default=False, metavar="TEXT", help="What the artifact is given.")]
FOLDER = "Where the model's config and tokenizer are."
Tokenizer = Annotated[MaybePath, option("--tokenizer", MODEL, "FOLDER", FOLDER, "ARTIFACT")]
Tokens = Annotated[int, option("--tokens", RUN, "N", "How many tokens are generated at most.")]
Threads = Annotated[int | None, option("--threads", RUN, "N", "Threads of the runtime.", "all processors")]
Device = Annotated[str, option("--device", RUN, "NAME", DEVICE)]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="No progress.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("ARTIFACT TEXT [OPTIONS]"), help=HELP)
def run_artifact(
    artifact: Artifact,
    text: Words,
    tokenizer: Tokenizer = None,
    tokens: Tokens = 32,
    task: Task = None,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Load the artifact, and print what it says as it says it."""
    with at_work(quiet=quiet, verbose=verbose):
        from prunec.drivers.answerer import Answerer

        loaded = Answerer.open(artifact, tokenizer, task=task, threads=threads, device=device)
    from prunec.report.answer import print_answer

    if json:
        sys.stdout.write(loaded.answer(text, tokens).to_json())
        return
    typing = _Typing(text if loaded.goes_on else "")
    found = loaded.answer(text, tokens, typing)
    if typing.has_begun:
        print()
    print_answer(found, Console(highlight=False))


class _Typing:
    """Prints a text, and then what follows it piece by piece."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.has_begun = False

    def __call__(self, piece: str) -> None:
        print(piece if self.has_begun else self.text + piece, end="", flush=True)
        self.has_begun = True
