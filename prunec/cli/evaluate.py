"""`prunec eval slim.onnx --model MODEL --text a.txt`: how good an artifact is, beside the dense model."""

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

MEASURED = "What is measured"
HELP = (
    "Measure how good an artifact is on texts, images or other inputs, beside the dense model.\n\n"
    "Of models that generate text: cross-entropy in nats a token. Of classifiers, on rows with labels: accuracy, with "
    "its 95 % interval. Else how near the outputs are to those of the dense model. ARTIFACT is a file of any exporter "
    "that takes tokens, images or other inputs by the model's names, or the folder that a compile wrote; such a folder "
    "can be measured without the dense model where the text says what is right.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec eval slim.onnx --model ./smollm2 --text eval.txt\n"
    "  prunec eval slim.onnx --model ./smollm2 --text code=a.txt --text prose=b.txt --tokens 16384\n"
    "  prunec eval slim/ --text labelled.jsonl\n"
    "  prunec eval slim.onnx --model ./dinov2 --data pictures/\n"
)

Artifact = Annotated[Path, typer.Argument(show_default=False, metavar="ARTIFACT", help="File, or a compile's folder.")]
Dense = Annotated[MaybePath, option("--model", MODEL, "FOLDER", "The dense model.", "the artifact alone")]
DATA = (
    "Text: .txt, .jsonl or a folder of them; several are NAME=PATH each. Or images, in folders called like their "
    "labels if they have any, or inputs of the model: .npz, .safetensors."
)
Texts = Annotated[list[str], typer.Option("--text", "--data", rich_help_panel=MEASURED, help=DATA, metavar="PATH")]
Tokens = Annotated[int | None, option("--tokens", MEASURED, "N", "About so many of each text, by --seed.", "all")]
Sequence = Annotated[int, option("--sequence", MEASURED, "N", "Tokens in a window, or in a text at most.")]
Threads = Annotated[int | None, option("--threads", RUN, "N", "Threads of the runtime.", "all processors")]
Device = Annotated[str, option("--device", RUN, "NAME", DEVICE)]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="No progress.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("ARTIFACT --text PATH [OPTIONS]"), help=HELP)
def evaluate_artifact(
    artifact: Artifact,
    text: Texts,
    model: Dense = None,
    task: Task = None,
    tokens: Tokens = None,
    sequence: Sequence = 128,
    threads: Threads = None,
    device: Device = "cpu",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Measure the artifact, and print what was found."""
    texts = read_words(text)
    assert texts is not None  # the command line asks for one
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.evaluator import evaluate

        found = evaluate(
            artifact,
            texts,
            model=model,
            task=task,
            tokens=tokens,
            sequence=sequence,
            threads=threads,
            device=device,
            seed=seed,
            progress=progress,
        )
    from prunec.report.evaluation import print_evaluation

    if json:
        sys.stdout.write(found.to_json())
    else:
        print_evaluation(found, Console(highlight=False))
