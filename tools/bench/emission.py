"""Dense ONNX files of this package against those of other exporters: seconds to write, and time of a request.

    .venv/bin/pip install --no-deps --target .cache/optimum -r tools/bench/optimum.txt
    .venv/bin/pip install --no-deps --target .cache/genai -r tools/bench/genai.txt
    python -m tools.bench.emission .cache/models --results docs/emission.json --page docs/emission.md

Every exporter writes in a process of its own, with its own packages where it needs others; what fails is kept with its
last line. The files of a model are then timed by turns in one process, in wall time and in processor time, which other
programs disturb less. Files and rows that are there are kept, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prunec.backends.onnx import OnnxBackend
from prunec.cost.cache import cpu_model
from prunec.cost.measure import interleaved, paired_ratio
from prunec.cost.request import request
from prunec.cost.workload import Workload
from tools.bench.emission_apart import EXPORTERS as APART
from tools.bench.emission_page import page
from tools.bench.emission_rivals import EXPORTERS
from tools.bench.rows import keep
from tools.bench.threads import enough_threads


@dataclass(frozen=True)
class Case:
    """One graph of one model.

    Attributes:
        graph: `plain`, or `cached`: with inputs and outputs of keys and values.
        workloads: that its files are timed on.
        exporters: that write it.
    """

    model: str
    graph: str
    workloads: tuple[str, ...]
    exporters: tuple[str, ...]

    @property
    def name(self) -> str:
        """As results and page name it."""
        return self.model if self.graph == "plain" else f"{self.model} with its cache"


HERE = tuple(EXPORTERS["plain"])
CASES = (
    Case("minilm-l6", "plain", ("encode:1x128", "encode:8x128"), (*HERE, "optimum")),
    Case("smollm2-135m", "plain", ("prefill:1x128", "prefill:1x512"), HERE),
    Case(
        "smollm2-135m",
        "cached",
        ("prefill:1x128", "prefill:1x512", "decode:1@128", "decode:1@1024"),
        ("prunec", *APART),
    ),
)
THREADS = 2
SECONDS = 20.0
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}

Row = dict[str, Any]


def emissions(models: Path, files: Path, packages: Path, rows: list[Row]) -> Iterator[Row]:
    """A row for every file that has none: the seconds it took, or why there is no such file."""
    have = {(row["model"], row["exporter"]) for row in rows if "exporter" in row}
    for case in CASES:
        for exporter in case.exporters:
            if (case.name, exporter) not in have:
                found = _emitted(exporter, case.graph, models / case.model, _file(files, case, exporter), packages)
                yield {"model": case.name, "exporter": exporter, **found}


def _emitted(exporter: str, graph: str, model: Path, path: Path, packages: Path) -> Row:
    apart = exporter in APART
    module = f"tools.bench.emission_{'apart' if apart else 'rivals'}"
    paths = [str((packages / exporter).absolute())] * apart + [os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", module, exporter, str(model), str(path), graph],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    if done.returncode:
        path.unlink(missing_ok=True)
        return {"error": done.stderr.strip().splitlines()[-1]}
    return {"seconds": float(done.stdout.split()[-1])}


def timings(files: Path, rows: list[Row]) -> Iterator[Row]:
    """A row for every workload and clock that has none: each exporter's median in ms, and its ratio to ours."""
    have = {(row["model"], row["workload"], row["clock"]) for row in rows if "workload" in row}
    for case in CASES:
        for workload in case.workloads:
            for clock in CLOCKS:
                if (case.name, workload, clock) not in have:
                    timed = _timed(files, case, Workload.parse(workload, THREADS), clock)
                    load = os.getloadavg()[0]
                    key = {"model": case.name, "workload": workload, "clock": clock, "cpu": cpu_model(), "load": load}
                    yield key | timed


def _timed(files: Path, case: Case, workload: Workload, clock: str) -> Row:
    requests = {}
    for exporter in case.exporters:
        path = _file(files, case, exporter)
        if path.exists():
            runner = OnnxBackend().load(path, workload)
            requests[exporter] = partial(runner, request(runner.feeds, workload))
    found = interleaved(requests, seconds=SECONDS, clock=CLOCKS[clock])
    return {
        "rounds": found["prunec"].count,
        "median_ms": {name: timing.median for name, timing in found.items()},
        "ratio": {name: paired_ratio(found["prunec"], timing) for name, timing in found.items()},
    }


def _file(files: Path, case: Case, exporter: str) -> Path:
    return files / f"{case.model}.{case.graph}.{exporter}.onnx"


def main() -> None:
    """Write what is missing of the results, then the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--files", type=Path, default=Path(".cache/emission"), help="where files are made")
    parser.add_argument("--packages", type=Path, default=Path(".cache"), help="where optimum and genai are installed")
    given = parser.parse_args()
    enough_threads(THREADS)
    given.files.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    for found in (emissions(given.models, given.files, given.packages, rows), timings(given.files, rows)):
        for row in found:
            keep(row, rows, given.results, given.page, page)


if __name__ == "__main__":
    main()
