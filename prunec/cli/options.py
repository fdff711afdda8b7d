"""The options that commands share, and how an option is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from prunec import __version__

MODEL = "The model"
BUDGET = "The budget: give exactly one"
LATENCY = "What the latency is of"
CUTTING = "What is cut, and how"
RUN = "The run"
PRINTED = "What is printed"


def command(usage: str) -> type[TyperCommand]:
    """A kind of command whose usage line is `usage`: it shows what cannot be left out."""

    class Command(TyperCommand):
        def collect_usage_pieces(self, ctx: Any) -> list[str]:
            return [usage]

    return Command


def option(name: str, panel: str, metavar: str, help: str, default: str = "") -> Any:
    """An option in `panel`; `default` says in words what happens without it."""
    words = f"{help} [dim]\\[default: {default}][/dim]" if default else help
    return typer.Option(name, rich_help_panel=panel, help=words, metavar=metavar)


def flag(*names: str, panel: str, help: str, callback: Callable[[bool], None] | None = None) -> Any:
    """A switch; one with a `callback` acts before anything else is read."""
    eager = callback is not None
    return typer.Option(*names, rich_help_panel=panel, help=help, metavar="", is_eager=eager, callback=callback)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"prunec {__version__}")
        raise typer.Exit


MaybeText = str | None
MaybePath = Path | None

Model = Annotated[Path, typer.Argument(show_default=False, metavar="MODEL", help="Folder of the model.")]
Task = Annotated[MaybeText, option("--task", MODEL, "TASK", "What the model is for.", "inferred")]
Remote = Annotated[bool, flag("--trust-remote-code", panel=MODEL, help="Let code inside MODEL run.")]

Latency = Annotated[MaybeText, option("--budget-latency", BUDGET, "TIME", "Median time of a request: 20ms, 0.5s.")]
Speedup = Annotated[MaybeText, option("--speedup", BUDGET, "FACTOR", "Times faster than the dense model: 2, 1.5.")]
Params = Annotated[MaybeText, option("--budget-params", BUDGET, "COUNT", "Parameters: 80M, 1.2B.")]
Size = Annotated[MaybeText, option("--budget-size", BUDGET, "SIZE", "Bytes of the artifact: 200MB, 1GiB.")]

WORK = (
    "B sequences of S tokens, as prefill:1x128, encode:8x64; the next token after P cached, as decode:1@512; or B "
    "images, as encode:8."
)
Work = Annotated[MaybeText, option("--workload", LATENCY, "PHASE:BxS", WORK, "by task")]
Backend = Annotated[str, option("--backend", LATENCY, "NAME", "The artifact kind that is timed.")]
Threads = Annotated[int | None, option("--threads", LATENCY, "N", "Threads of the runtime.", "all processors")]
DEVICE = "What the artifact runs on: cpu or cuda. Nothing else is fallen back to."
Device = Annotated[str, option("--device", LATENCY, "NAME", DEVICE)]

TEXTS = "Text like yours: .txt, .jsonl or a folder of them. Several are NAME=PATH each, and have equal shares."
DATA = f"{TEXTS} Or images, or inputs of the model as .npz."
Calibration = Annotated[list[str] | None, option("--calibration", CUTTING, "PATH", DATA, "built-in text")]
SCORING = "How units are scored: a criterion, a file of scores, or a mixture such as reconstruction+0.5*taylor."
Importance = Annotated[MaybeText, option("--importance", CUTTING, "NAME", SCORING, "reconstruction")]
FADING = "Moving averages over the stream, drawn by --seed: what each sequence keeps of the past, as 0.98."
Ema = Annotated[float | None, option("--ema", CUTTING, "SHARE", FADING, "all text counts alike")]
Passes = Annotated[MaybeText, option("--passes", CUTTING, "PIPELINE", "Run these passes.", "the usual ones")]

Seed = Annotated[int, option("--seed", RUN, "N", "For everything drawn at random.")]
Cache = Annotated[MaybePath, option("--cache-dir", RUN, "FOLDER", "Measurements are kept here.", "the user's cache")]

Verbose = Annotated[
    bool,
    flag(
        "--verbose",
        "-v",
        panel=PRINTED,
        help="A line for each pass, also where standard error is no terminal, and what the libraries underneath say.",
    ),
]
Debug = Annotated[bool, flag("--debug", panel=PRINTED, help="The traceback of an error.")]
Version = Annotated[bool, flag("--version", panel=PRINTED, help="prunec's version.", callback=_print_version)]
