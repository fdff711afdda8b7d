"""`prunec bench A.onnx B.onnx`: which is faster here, and by how much."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prunec.cli.options import LATENCY, PRINTED, WORK, Debug, Device, Threads, Verbose, Version, command, flag, option
from prunec.cli.work import at_work

HELP = (
    "Time artifacts of any exporter against each other.\n\n"
    "Requests go to each by turns, so that what slows the machine down for a while slows all of them; the others are "
    "compared with the first, round by round. Load time and memory are those of a process that loads one alone. "
    "Token ids are drawn at random and masks are full.\n\n"
    "\b\n"
    "[bold]For example[/bold]\n"
    "  prunec bench dense.onnx slim.onnx --workload prefill:1x128\n"
    "  prunec bench slim.onnx slim.pt --workload encode:8x128 --threads 1\n"
    "  prunec bench dense.onnx slim.onnx --workload decode:1@512    a token after 512 cached ones\n"
    "  prunec bench dense.onnx slim.onnx --workload encode:8        eight images\n"
)

Files = Annotated[
    list[Path], typer.Argument(show_default=False, metavar="FILE", help="Artifacts: .onnx, .pt, .pt2, or folders.")
]
Work = Annotated[str, option("--workload", LATENCY, "PHASE:BxS", WORK)]
Seconds = Annotated[float, option("--seconds", LATENCY, "SECONDS", "How long all together are timed.")]
Json = Annotated[bool, flag("--json", panel=PRINTED, help="Everything as JSON on standard output.")]
Quiet = Annotated[bool, flag("--quiet", "-q", panel=PRINTED, help="No progress.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=command("FILE... [OPTIONS]"), help=HELP)
def bench_artifacts(
    files: Files,
    workload: Work = "prefill:1x128",
    threads: Threads = None,
    device: Device = "cpu",
    seconds: Seconds = 10.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Time the files, and print what was found."""
    with at_work(quiet=quiet, verbose=verbose) as progress:
        from prunec.drivers.benchmark import bench

        found = bench(files, workload=workload, threads=threads, device=device, seconds=seconds, progress=progress)
    from prunec.report.benchmark import print_benchmark

    if json:
        sys.stdout.write(found.to_json())
    else:
        print_benchmark(found, Console(highlight=False))
