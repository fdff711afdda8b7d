"""`prunec MODEL -o slim.onnx --budget-latency 20ms`: the compiler as a command."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from prunec.cli.options import (
    CUTTING,
    LATENCY,
    PRINTED,
    RUN,
    Cache,
    Calibration,
    Debug,
    Device,
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
from prunec.destination import Destination
from prunec.drivers.budgets import destinations, parse_budgets, read_amounts
from prunec.errors import BudgetError
from prunec.texts import read_words

if TYPE_CHECKING:
    from prunec.drivers.compiler import CompileFamily, CompileResult

HELP = (
    "Make a trained transformer small and fast enough to deploy, and prove it.\n\n"
    "MODEL is a Hugging Face folder: a config and safetensors weights. What the model can spare is cut out until the "
    "artifact, timed on this machine, holds the budget. A report beside it says what was cut, what that cost and what "
    "it bought.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec ./smollm2 -o slim.onnx --budget-latency 20ms\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.5 --calibration texts.jsonl\n"
    "  prunec ./minilm -o slim/ --speedup 1.5    a folder with all that is deployed\n"
    "  prunec ./minilm -o slim/ --speedup 1.5 --emit hf    a checkpoint for prunec.load, or with --uniform for "
    "from_pretrained\n"
    "  prunec ./minilm -o slim.onnx --speedup 1.25,1.5,2    slim-1.25x.onnx and so on from one run\n"
    "  prunec inspect ./minilm    what could be removed, what stays and why: prunec inspect --help\n"
    "  prunec score ./minilm -o scores.safetensors    how much each unit matters: prunec score --help\n"
    "  prunec agree taylor.safetensors wanda.safetensors    how far two scorings agree: prunec agree --help\n"
    "  prunec sensitivity --help    how much it matters what text you calibrate on\n"
    "  prunec semantics ./minilm --calibration texts.jsonl    what each unit answers to: prunec semantics --help\n"
    "  prunec explore slim.path.safetensors   what each budget would remove: prunec explore --help\n"
    "  prunec eval slim.onnx --model ./smollm2 --text eval.txt    how good it still is: prunec eval --help\n"
    "  prunec run slim/ 'Once upon a time'    what it says: prunec run --help\n"
    "  prunec bench dense.onnx slim.onnx    artifacts against each other: prunec bench --help\n"
    "  prunec report slim-*.report.json -o all.html    reports as a page: prunec report --help\n"
    "  prunec ken ./news --base ./minilm -o news.ken    what a fine-tuning changed: prunec ken --help\n"
)
EPILOG = "Exits with 0 when every budget holds, 2 on bad input, 3 when one does not, else as the error says."


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


ARTIFACT = "Artifact: .onnx, .pt (TorchScript) or .pt2 (torch.export); FOLDER/: ONNX, config, tokenizer, report."
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help=ARTIFACT)]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace an existing output.")]

REPAIR = (
    "Repair of what is left: none, bias (cheap), merge (of pairs), rescale, obs, lsq, distill (lsq, then training), "
    "or weakness (training that dwells on what removal made wrong, and lists it in NAME.weakness.jsonl)."
)
Recover = Annotated[MaybeText, option("--recover", CUTTING, "HOW", REPAIR, "distill")]
MEASURING = "Time for improving the choice by measuring whole plans: 0 (none) to 3 (a quarter of an hour and more)."
Effort = Annotated[int, option("--effort", CUTTING, "0…3", MEASURING)]
TRAINING = "Time for the training of --recover distill or weakness; without it, some minutes' work on two cores."
Minutes = Annotated[float | None, option("--distill-minutes", CUTTING, "N", TRAINING)]
SEARCH = (
    "Who chooses what goes; the published searches: uniform, ranked or summed by scores alone, path by one order of "
    "all units, surrogate by a regression on measured plans, greedy-loss, layer-influence or sublayer of whole "
    "sublayers."
)
Search = Annotated[MaybeText, option("--search", CUTTING, "NAME", SEARCH, "knapsack")]
KEPT = "A file of --save-path: nothing is scored again, at any budget; repair still reads text."
Kept = Annotated[MaybePath, option("--path", CUTTING, "FILE", KEPT)]
KEEPING = "Keep what the search goes by, for --path: .safetensors."
Keep = Annotated[MaybePath, option("--save-path", CUTTING, "FILE", KEEPING)]

DTYPE = (
    "What products with weights compute in: fp32, int8 (values and weights), int4 (weights) or fp16 (on a GPU). "
    "The budget holds for the artifact as it is then; --speedup stays over fp32."
)
Dtype = Annotated[str, option("--dtype", LATENCY, "TYPE", DTYPE)]
OLDER = "Version of ONNX's operators in the file: 23 needs ONNX Runtime 1.23, 20 reads since 1.18 and is slower."
Opset = Annotated[int | None, option("--opset", LATENCY, "18…23", OLDER, "23")]
RIVAL = "Leave the dense model out of the report: in int8 and as a plain export, what these give without removal."
NoRival = Annotated[bool, flag("--no-rival", panel=RUN, help=RIVAL)]
LOGITS = "Of which tokens a causal language model gives logits: all, or the last, which is all that generation reads."
LastLogits = Annotated[str, option("--logits", LATENCY, "WHICH", LOGITS)]
EMISSION = (
    "What is written: artifact, a file that runs, or hf, a checkpoint for Hugging Face in the folder --output, to "
    "fine-tune and to prune again. The latency is that of the file, which is timed and then not kept."
)
Emit = Annotated[str, option("--emit", RUN, "KIND", EMISSION)]
ALIKE = "Keep the same sizes in every layer, so that from_pretrained loads what --emit hf writes."
Uniform = Annotated[bool, flag("--uniform", panel=CUTTING, help=ALIKE)]
DumpIr = Annotated[MaybePath, option("--dump-ir", RUN, "FOLDER", "Write the program around each pass there.")]

CACHED = "Let a decoder's artifact take and return its key-value cache. For decode:1@512 it does anyway."
KvCache = Annotated[bool, flag("--kv-cache", panel=LATENCY, help=CACHED)]

Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="One line at the end, no progress.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="The report as JSON on standard output.")]
ListPasses = Annotated[
    bool, flag("--list-passes", panel=PRINTED, help="What --passes may name.", callback=_print_passes)
]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("MODEL -o FILE BUDGET [OPTIONS]"), help=HELP, epilog=EPILOG)
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
    dtype: Dtype = "fp32",
    device: Device = "cpu",
    opset: Opset = None,
    kv_cache: KvCache = False,
    task: Task = None,
    calibration: Calibration = None,
    importance: Importance = None,
    ema: Ema = None,
    effort: Effort = 0,
    recover: Recover = None,
    search: Search = None,
    distill_minutes: Minutes = None,
    path: Kept = None,
    save_path: Keep = None,
    logits: LastLogits = "all",
    emit: Emit = "artifact",
    uniform: Uniform = False,
    passes: Passes = None,
    no_rival: NoRival = False,
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
    given = {"latency": budget_latency, "speedup": speedup, "params": budget_params, "size": budget_size}
    amounts = {name: read_amounts(text) for name, text in given.items()}
    place = Destination.read(output, emit=emit)
    for each in destinations(place, parse_budgets(**amounts)):
        each.check(force)
    surface = {"model", "output", "cache_dir", "quiet", "json", "verbose", "debug", "list_passes", "version"}
    options = {name: value for name, value in context.params.items() if name not in surface}
    options |= {name if name == "speedup" else f"budget_{name}": value for name, value in amounts.items()}
    options["calibration"] = read_words(calibration or ())
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.compiler import compile

        made = compile(model, output, progress=progress, cache=cache_dir, **options)
    if any(isinstance(amount, list) for amount in amounts.values()):
        code = _print_family(made, quiet=quiet, json=json)
    else:
        _print_result(made, place.page, quiet=quiet, json=json)
        code = 0 if made.report.budget.held else BudgetError.exit_code
    if code:
        raise typer.Exit(code)


def _print_result(result: CompileResult, written: Path, *, quiet: bool, json: bool) -> None:
    from prunec.report.terminal import print_report

    if json:
        sys.stdout.write(result.report.to_json())
    elif quiet:
        print(_line(result))
    else:
        print_report(result.report, Console(highlight=False), written if result.artifact else None)


def _line(result: CompileResult) -> str:
    """What came of a budget, in a line."""
    from prunec.report.terminal import headline

    return f"{result.artifact or 'nothing written'}: {headline(result.report)}"


def _print_family(family: CompileFamily, *, quiet: bool, json: bool) -> int:
    """Print what came of several budgets, as JSON a list of reports; the exit code."""
    from prunec.report.family import print_family

    reports = [result.report for result in family.results]
    if json:
        sys.stdout.write(f"[{','.join(report.to_json() for report in reports)}]\n")
    elif quiet:
        for result in family.results:
            print(_line(result))
        for budget, error in family.failures.items():
            print(f"nothing written: {budget}: {error.what}")
    else:
        failures = {str(budget): error.what for budget, error in family.failures.items()}
        print_family(reports, failures, Console(highlight=False))
    codes = [0 if report.budget.held else BudgetError.exit_code for report in reports]
    return max([*codes, *(error.exit_code for error in family.failures.values())])
