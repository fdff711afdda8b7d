"""What people would use instead, on the same model, text, runtime and machine: how fast, how good, how long to make.

    .venv/bin/pip install --no-deps --target .cache/rivals -r tools/bench/rivals.txt
    python -m tools.bench.rivals .cache/models --results docs/rivals.json --page docs/rivals.md

Every file is made in a process of its own by `rivals_make.py`; where that fails, its error is the row. Each is timed by
turns with the dense file, in wall time and in processor time, which other programs disturb less, and measured on text
that nobody has seen. Rows that the results file holds are kept, those that failed with their error, so that a run that
was stopped goes on where it was.
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
from functools import cached_property, partial
from pathlib import Path

from prunec.backends.onnx import OnnxBackend
from prunec.cost.cache import cpu_model
from prunec.cost.measure import interleaved, paired_ratio
from prunec.cost.request import request
from prunec.cost.workload import DECODE, Workload
from prunec.frontends.huggingface import load
from tools.bench.methods import increase
from tools.bench.rivals_cases import CASES, RIVALS, dense_file, file_of
from tools.bench.rivals_page import page
from tools.bench.rows import Row, keep
from tools.bench.subjects import SUBJECTS
from tools.bench.threads import enough_threads
from tools.bench.unseen import Unseen

THREADS = 2
CLOCKS = {"": time.perf_counter, "processor_": time.process_time}


@dataclass(frozen=True)
class Bench:
    """One case, and where its files are.

    Attributes:
        name: of the case.
        folder: where models and texts are.
        files: where files are made.
        packages: where the rivals are installed.
        threads: of the runtime.
        tokens: of each text that a row is measured on.
        seconds: how long a file is timed with the dense one, by each clock.
    """

    name: str
    folder: Path
    files: Path
    packages: Path
    threads: int
    tokens: int
    seconds: float

    @property
    def workload(self) -> Workload:
        return Workload.parse(CASES[self.name].workload, self.threads)

    @cached_property
    def unseen(self) -> Unseen:
        """What is measured on, and the dense file."""
        model, dense = CASES[self.name].model, dense_file(self.files, self.name, "prunec")
        loaded = load(self.folder / model, with_cache=self.workload.phase == DECODE)
        return Unseen(loaded, self.folder, SUBJECTS[model], dense, self.tokens)

    def row(self, rival: str, amount: float) -> Row:
        """What became of one rival."""
        key = {"model": self.name, "rival": rival, "amount": round(amount, 4), "workload": str(self.workload)}
        made = self.made(rival, amount)
        if "error" in made:
            return key | made
        path = file_of(self.files, self.name, rival, amount)
        sizes = {"file_bytes": path.stat().st_size, "dense_file_bytes": self.unseen.dense_file().stat().st_size}
        machine = {"machine": f"{cpu_model()}, {self.threads} threads", "load": os.getloadavg()[0]}
        return key | machine | made | sizes | self.timed(path) | self.quality(path)

    def made(self, rival: str, amount: float) -> Row:
        """What making the file took, or why there is none."""
        words = [rival, self.name, str(self.folder), repr(amount), str(self.files)]
        paths = [str(self.packages.absolute()), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, "-m", "tools.bench.rivals_make", *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        if done.returncode:
            return {"error": done.stderr.strip().splitlines()[-1]}
        found: Row = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def timed(self, path: Path) -> Row:
        """Medians of the file and of the dense one, by turns, and the medians of their ratios; below 1 is faster."""
        runners = {"dense": self.unseen.dense_file(), "measured": path}
        loaded = {name: OnnxBackend().load(file, self.workload) for name, file in runners.items()}
        calls = {name: partial(runner, request(runner.feeds, self.workload)) for name, runner in loaded.items()}
        row: Row = {}
        for prefix, clock in CLOCKS.items():
            found = interleaved(calls, seconds=self.seconds, clock=clock)
            row |= {f"{prefix}{name}_ms": timing.median for name, timing in found.items()}
            row |= {f"{prefix}spread": {name: timing.spread for name, timing in found.items()}}
            row[f"{prefix}ratio"] = paired_ratio(found["measured"], found["dense"])
            row[f"{prefix}rounds"] = found["dense"].count
        return row

    def quality(self, path: Path) -> Row:
        """The figure of each text, of the dense file and of this one, and how much worse this one is."""
        goal = self.unseen.goal
        try:
            loss = self.unseen.figures(path, self.workload)
        except RuntimeError as error:  # as of features that are fewer than the dense model's
            return {"error": f"its outputs do not compare with the dense ones: {error}"}
        worse = {"increase": increase(loss, goal.higher_is_better), "right": self.unseen.right(path, self.workload)}
        return {"metric": goal.report_unit, "loss": loss, **worse}


def rows(bench: Bench, known: list[Row], names: list[str]) -> Iterator[Row]:
    """The rows of a case that are missing."""
    have = {(row["rival"], row["amount"]) for row in known if row["model"] == bench.name}
    for name in names:
        for amount in RIVALS[name].amounts.get(bench.name, ()):
            if (name, round(amount, 4)) not in have:
                yield bench.row(name, amount)


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--files", type=Path, default=Path(".cache/rival-files"), help="where files are made, and kept")
    parser.add_argument("--packages", type=Path, default=Path(".cache/rivals"), help="where rivals are installed")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="by name, separated by commas")
    parser.add_argument("--threads", type=int, default=THREADS, help="of the runtime")
    parser.add_argument("--tokens", type=int, default=16_384, help="of each text that a row is measured on")
    parser.add_argument("--seconds", type=float, default=15.0, help="that a file is timed for, by each clock")
    given = parser.parse_args()
    enough_threads(given.threads)
    given.files.mkdir(parents=True, exist_ok=True)
    found: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    for name in given.only.split(","):
        paths = (given.models, given.files, given.packages)
        bench = Bench(name, *paths, given.threads, given.tokens, given.seconds)
        for row in rows(bench, found, given.rivals.split(",")):
            keep(row, found, given.results, given.page, page)


if __name__ == "__main__":
    main()
