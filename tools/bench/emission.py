"""Dense ONNX files of this package against those of other exporters: seconds to write, and time of a request.

    python -m tools.bench.emission .cache/models --files .cache/emission --page docs/emission.md

Every exporter writes in a process of its own; what fails is kept with its last line. The files of a model are then
timed by turns in one process, in wall time and in processor time, which other programs disturb less. Files and rows
that are there are kept, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from prunec.backends.onnx import OnnxBackend
from prunec.cost.cache import cpu_model
from prunec.cost.measure import interleaved, paired_ratio
from prunec.cost.request import request
from prunec.cost.workload import Workload
from prunec.files import write_text
from tools.bench.emission_page import page
from tools.bench.emission_rivals import RIVALS

CASES = {
    "minilm-l6": ("encode:1x128", "encode:8x128"),
    "smollm2-135m": ("prefill:1x128", "prefill:1x512"),
}
THREADS = 2
SECONDS = 20.0
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}

Row = dict[str, Any]


def emissions(models: Path, files: Path, rows: list[Row]) -> Iterator[Row]:
    """A row for every file that has none: the seconds it took, or why there is no such file."""
    have = {(row["model"], row["exporter"]) for row in rows if "exporter" in row}
    for model in CASES:
        for exporter in RIVALS:
            if (model, exporter) not in have:
                yield {"model": model, "exporter": exporter, **_emitted(exporter, models / model, files)}


def _emitted(exporter: str, model: Path, files: Path) -> Row:
    path = _file(files, model.name, exporter)
    words = [sys.executable, "-m", "tools.bench.emission_rivals", exporter, str(model), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        path.unlink(missing_ok=True)
        return {"error": done.stderr.strip().splitlines()[-1]}
    return {"seconds": float(done.stdout.split()[-1])}


def timings(files: Path, rows: list[Row]) -> Iterator[Row]:
    """A row for every workload and clock that has none: each exporter's median in ms, and its ratio to ours."""
    have = {(row["model"], row["workload"], row["clock"]) for row in rows if "workload" in row}
    for model, workloads in CASES.items():
        for workload in workloads:
            for clock in CLOCKS:
                if (model, workload, clock) not in have:
                    timed = _timed(files, model, Workload.parse(workload, THREADS), clock)
                    yield {"model": model, "workload": workload, "clock": clock, "cpu": cpu_model(), **timed}


def _timed(files: Path, model: str, workload: Workload, clock: str) -> Row:
    requests = {}
    for exporter in RIVALS:
        path = _file(files, model, exporter)
        if path.exists():
            runner = OnnxBackend().load(path, workload)
            requests[exporter] = partial(runner, request(runner.feeds, workload))
    found = interleaved(requests, seconds=SECONDS, clock=CLOCKS[clock])
    return {
        "rounds": found["prunec"].count,
        "median_ms": {name: timing.median for name, timing in found.items()},
        "ratio": {name: paired_ratio(found["prunec"], timing) for name, timing in found.items()},
    }


def _file(files: Path, model: str, exporter: str) -> Path:
    return files / f"{model}.{exporter}.onnx"


def main() -> None:
    """Write what is missing of the results, then the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--page", type=Path, required=True)
    given = parser.parse_args()
    results = given.page.with_suffix(".json")
    given.files.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = json.loads(results.read_text()) if results.exists() else []
    for found in (emissions(given.models, given.files, rows), timings(given.files, rows)):
        for row in found:
            rows.append(row)
            write_text(results, json.dumps(rows, indent=1) + "\n")
            print(json.dumps(row), flush=True)
    write_text(given.page, page(rows))


if __name__ == "__main__":
    main()
