"""The command: `prunec MODEL -o slim.onnx --budget-latency 20ms`."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand
from typer.exceptions import TyperException

from prunec import __version__
from prunec.errors import BudgetError, PassError, PrunecError
from prunec.options import check_output, parse_budget, report_path

if TYPE_CHECKING:
    from prunec.compiler import CompileResult

INTERRUPTED = 130
UNEXPECTED = 70
BROKEN_PIPE = 141
TRACEBACK = "Run again with --debug for the traceback"

BUDGET = "The budget: give exactly one"
LATENCY = "What the latency is of"
CUTTING = "What is cut, and how"
RUN = "The run"
PRINTED = "What is printed"

HELP = (
    "Make a trained transformer small and fast enough to deploy, and prove it.\n\n"
    "MODEL is a Hugging Face folder: a config and safetensors weights. What the model can spare is cut out until the "
    "artifact, timed on this machine, holds the budget. A report beside it says what was cut, what that cost and what "
    "it bought.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec ./smollm2 -o slim.onnx --budget-latency 20ms\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.5 --calibration texts.jsonl\n"
)
EPILOG = "Exits with 0 when the budget holds, 2 on bad input, 3 when the budget does not hold, else as the error says."


def _option(name: str, panel: str, metavar: str, help: str, default: str = "") -> Any:
    """An option in `panel`; `default` says in words what happens without it."""
    words = f"{help} [dim]\\[default: {default}][/dim]" if default else help
    return typer.Option(name, rich_help_panel=panel, help=words, metavar=metavar)


def _flag(*names: str, panel: str, help: str, callback: Callable[[bool], None] | None = None) -> Any:
    """A switch; one with a `callback` acts before anything else is read."""
    eager = callback is not None
    return typer.Option(*names, rich_help_panel=panel, help=help, metavar="", is_eager=eager, callback=callback)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"prunec {__version__}")
        raise typer.Exit


def _print_passes(asked: bool) -> None:
    """One line a pass: how pipelines spell it with its options, and the first line of its docstring."""
    if not asked:
        return
    from prunec.catalogue import find_pass, pass_names

    for name in pass_names():
        found = find_pass(name)
        options = ", ".join(item.name.rstrip("_").replace("_", "-") for item in fields(found) if item.init)
        spelled = f"{name}{{{options}}}" if options else name
        print(f"{spelled:<38} {(found.__doc__ or '').strip().splitlines()[0]}")
    raise typer.Exit


MaybeText = str | None
MaybePath = Path | None

Model = Annotated[Path, typer.Argument(show_default=False, metavar="MODEL", help="Folder of the model.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Artifact: .onnx, or .pt for TorchScript.")
]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]

Latency = Annotated[MaybeText, _option("--budget-latency", BUDGET, "TIME", "Median time of a request: 20ms, 0.5s.")]
Speedup = Annotated[MaybeText, _option("--speedup", BUDGET, "FACTOR", "Times faster than the dense model: 2, 1.5.")]
Params = Annotated[MaybeText, _option("--budget-params", BUDGET, "COUNT", "Parameters: 80M, 1.2B.")]
Size = Annotated[MaybeText, _option("--budget-size", BUDGET, "SIZE", "Bytes of the artifact: 200MB, 1GiB.")]

WORK = "A prefill or encode request of B sequences of S tokens, as prefill:1x128."
Work = Annotated[MaybeText, _option("--workload", LATENCY, "PHASE:BxS", WORK, "by task")]
Threads = Annotated[int | None, _option("--threads", LATENCY, "N", "Threads of the runtime.", "all processors")]

TEXTS = "Text like yours: .txt, .jsonl or a folder of them."
REPAIR = "Closed-form repair of what is left: none, bias (cheap) or lsq."
Task = Annotated[MaybeText, _option("--task", CUTTING, "TASK", "What the model is for.", "inferred")]
Calibration = Annotated[MaybePath, _option("--calibration", CUTTING, "PATH", TEXTS, "built-in text")]
Importance = Annotated[
    MaybeText, _option("--importance", CUTTING, "NAME", "How units are scored.", "the best measured")
]
Recover = Annotated[str, _option("--recover", CUTTING, "HOW", REPAIR)]
Passes = Annotated[MaybeText, _option("--passes", CUTTING, "PIPELINE", "Run these passes.", "the usual ones")]

Seed = Annotated[int, _option("--seed", RUN, "N", "For everything drawn at random.")]
Cache = Annotated[MaybePath, _option("--cache-dir", RUN, "FOLDER", "Measurements are kept here.", "the user's cache")]
DumpIr = Annotated[MaybePath, _option("--dump-ir", RUN, "FOLDER", "Write the program around each pass there.")]
Remote = Annotated[bool, _flag("--trust-remote-code", panel=RUN, help="Let code inside MODEL run.")]

Quiet = Annotated[bool, _flag("--quiet", "-q", panel=PRINTED, help="One line at the end, no progress.")]
Json = Annotated[bool, _flag("--json", panel=PRINTED, help="The report as JSON on standard output.")]
Verbose = Annotated[bool, _flag("--verbose", "-v", panel=PRINTED, help="Also what the libraries underneath say.")]
Debug = Annotated[bool, _flag("--debug", panel=PRINTED, help="The traceback of an error.")]
ListPasses = Annotated[
    bool, _flag("--list-passes", panel=PRINTED, help="What --passes may name.", callback=_print_passes)
]
Version = Annotated[bool, _flag("--version", panel=PRINTED, help="prunec's version.", callback=_print_version)]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


class _Compile(TyperCommand):
    """Its usage line shows what cannot be left out."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["MODEL -o FILE BUDGET [OPTIONS]"]


@app.command(cls=_Compile, help=HELP, epilog=EPILOG)
def compile_model(
    context: typer.Context,
    model: Model,
    output: Output,
    budget_latency: Latency = None,
    speedup: Speedup = None,
    budget_params: Params = None,
    budget_size: Size = None,
    workload: Work = None,
    threads: Threads = None,
    task: Task = None,
    calibration: Calibration = None,
    importance: Importance = None,
    recover: Recover = "lsq",
    passes: Passes = None,
    trust_remote_code: Remote = False,
    seed: Seed = 0,
    cache_dir: Cache = None,
    dump_ir: DumpIr = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    debug: Debug = False,
    list_passes: ListPasses = False,
    version: Version = False,
) -> None:
    """Check what can be checked at once, compile, and print what came of it."""
    parse_budget(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    check_output(output, force)
    surface = {"model", "output", "cache_dir", "quiet", "json", "verbose", "debug", "list_passes", "version"}
    options = {name: value for name, value in context.params.items() if name not in surface}
    result = _compile(model, output, {**options, "cache": cache_dir}, quiet=quiet, verbose=verbose)
    _print_result(result, quiet=quiet, json=json)
    if not result.report.budget.held:
        raise typer.Exit(BudgetError.exit_code)


COMMANDS: Mapping[str, typer.Typer] = {"compile": app}
"""Commands by name. `compile` is what runs when the first argument names none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Every failure is one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = _run(given)
        sys.stdout.flush()
    except PrunecError as error:
        return _fail(_sentences(error), error.exit_code, debug)
    except TyperException as error:
        return _fail(f"{error.format_message().rstrip('.')}. See prunec --help", error.exit_code, debug)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written", INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        return _fail(f"{type(error).__name__}: {error}. {TRACEBACK}", UNEXPECTED, debug)
    return code


def _run(arguments: list[str]) -> int:
    """Run the command that `arguments` begin with, or the default one."""
    name = arguments[0] if arguments[0] in COMMANDS else ""
    command = typer.main.get_command(COMMANDS[name or "compile"])
    try:
        with command.make_context(f"prunec {name}".strip(), arguments[bool(name) :]) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _sentences(error: PrunecError) -> str:
    """What is wrong and how to mend it; where a pass broke unexpectedly, how to see more."""
    fix = error.fix or (TRACEBACK if isinstance(error, PassError) and error.__cause__ else "")
    return f"{error.what.rstrip('.')}. {fix[:1].upper()}{fix[1:]}" if fix else error.what


def _fail(message: str, code: int, debug: bool) -> int:
    """Print one line on standard error, after the traceback where `debug` wants it; `code`."""
    if debug:
        traceback.print_exc()
    line = Text.assemble(("prunec: ", "bold"), ("error: ", "bold red"), " ".join(message.split()))
    Console(stderr=True, soft_wrap=True).print(line, highlight=False)
    return code


def _compile(model: Path, output: Path, options: Mapping[str, Any], *, quiet: bool, verbose: bool) -> CompileResult:
    """Compile with progress on standard error; what libraries print on standard output is kept off it."""
    _settle_libraries(verbose)
    from prunec.report.progress import Reporter

    progress = Reporter(Console(stderr=True, quiet=quiet))
    with progress, Path(os.devnull).open("w") as nowhere, redirect_stdout(sys.stderr if verbose else nowhere):
        progress.begin("loading the libraries")
        from prunec.compiler import compile

        return compile(model, output, progress=progress, **options)


def _settle_libraries(verbose: bool) -> None:
    """What libraries read as they are imported: no network, and unless `verbose` no bars, banners or warnings."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # OpenMP threads that spin while they wait take the cores from whoever has work: beside another busy process a
    # compile of a small encoder took 8.6 minutes instead of 1.4.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not verbose:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)


def _print_result(result: CompileResult, *, quiet: bool, json: bool) -> None:
    from prunec.report.terminal import headline, print_report

    if json:
        sys.stdout.write(result.report.to_json())
    elif quiet:
        print(f"{result.artifact or 'nothing written'}: {headline(result.report)}")
    else:
        print_report(result.report, Console(highlight=False), report_path(result.artifact) if result.artifact else None)
