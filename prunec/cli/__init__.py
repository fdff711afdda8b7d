"""The command: `prunec MODEL -o slim.onnx --budget-latency 20ms`, `prunec inspect MODEL`."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from prunec.cli.agree import app as agree_app
from prunec.cli.bench import app as bench_app
from prunec.cli.compile import app as compile_app
from prunec.cli.evaluate import app as evaluate_app
from prunec.cli.explore import app as explore_app
from prunec.cli.inspect import app as inspect_app
from prunec.cli.ken import app as ken_app
from prunec.cli.report import app as report_app
from prunec.cli.run import app as run_app
from prunec.cli.score import app as score_app
from prunec.cli.semantics import app as semantics_app
from prunec.cli.sensitivity import app as sensitivity_app
from prunec.errors import PassError, PrunecError

INTERRUPTED = 130
UNEXPECTED = 70
BROKEN_PIPE = 141
TRACEBACK = "Run again with --debug for the traceback"

COMMANDS: Mapping[str, typer.Typer] = {
    "compile": compile_app,
    "inspect": inspect_app,
    "score": score_app,
    "agree": agree_app,
    "bench": bench_app,
    "eval": evaluate_app,
    "run": run_app,
    "report": report_app,
    "explore": explore_app,
    "sensitivity": sensitivity_app,
    "semantics": semantics_app,
    "ken": ken_app,
}
"""Commands by name. `compile` is what runs when the first argument names none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Every failure is one line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug, name = "--debug" in given, given[0] if given[0] in COMMANDS else ""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = _run(name, given[bool(name) :])
        sys.stdout.flush()
    except PrunecError as error:
        return _fail(_sentences(error), error.exit_code, debug)
    except TyperException as error:
        return _fail(f"{error.format_message().rstrip('.')}. See {_typed(name)} --help", error.exit_code, debug)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing unfinished was written", INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        return _fail(f"{type(error).__name__}: {error}. {TRACEBACK}", UNEXPECTED, debug)
    return code


def _typed(name: str) -> str:
    """What is typed before a command's arguments; the default command needs no name."""
    return f"prunec {name}".strip()


def _run(name: str, arguments: list[str]) -> int:
    """Run the command `name`, or the default one where it is empty."""
    command = typer.main.get_command(COMMANDS[name or "compile"])
    try:
        with command.make_context(_typed(name), arguments) as context:
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
