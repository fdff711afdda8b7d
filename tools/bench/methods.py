"""Published methods and prunec's own through the same compile, budgets and texts: what each costs in quality.

    python -m tools.bench.methods .cache/models --results docs/quality.json --page docs/quality.md

Each row is one compile at one speed-up, measured as `frontier.py` does. Rows that the results file holds are kept,
those that failed with their error, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunec.errors import PrunecError
from tools.bench.frontier import MODELS, SPEEDUPS, begin, row, subject
from tools.bench.methods_cases import METHODS
from tools.bench.methods_page import page
from tools.bench.rows import Row, keep
from tools.bench.subjects import SUBJECTS


def increase(loss: dict[str, list[float]], higher_is_better: bool) -> dict[str, float]:
    """How much worse than the dense artifact each text's figure is."""
    return {text: dense - slim if higher_is_better else slim - dense for text, (dense, slim) in loss.items()}


def measured(
    folder: Path, model: str, wanted: list[tuple[str, float, int]], workload: str | None, scratch: Path
) -> Iterator[Row]:
    """The rows of `model`, by method, speed-up and seed."""
    unseen, usual = begin(folder, model, workload, scratch)
    text = folder / SUBJECTS[model].calibration
    for name, speedup, seed in wanted:
        options: dict[str, Any] = usual | dict(METHODS[name].options) | {"seed": seed}
        key = {"model": subject(model, workload), "method": name, "speedup_asked": speedup, "seed": seed}
        try:
            found = row(folder / model, text, speedup, unseen, **options)
        except PrunecError as error:
            yield key | {"error": str(error)}
        else:
            higher = unseen.goal.higher_is_better
            yield key | found | {"increase": increase(found["loss"], higher) if found["held"] else {}}


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(MODELS), help="models, separated by commas")
    parser.add_argument("--methods", default=",".join(METHODS), help="by name, separated by commas")
    parser.add_argument("--speedups", default=",".join(map(str, SPEEDUPS)), help="factors, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn, such as the text that is read")
    parser.add_argument("--workload", help="what latencies are of, such as decode:1@512; the usual one by default")
    given = parser.parse_args()
    rows: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    for model in given.only.split(","):
        about = subject(model, given.workload)
        have = {
            (row["method"], row["speedup_asked"], row.get("seed", 0))
            for row in rows
            if row["model"] == about and "method" in row
        }
        names, speedups = given.methods.split(","), map(float, given.speedups.split(","))
        every = [(name, speedup, given.seed) for speedup in speedups for name in names]
        if missing := [item for item in every if item not in have]:
            with tempfile.TemporaryDirectory() as scratch:
                each = measured(given.models, model, missing, given.workload, Path(scratch))
                for found in each:
                    keep(found, rows, given.results, given.page, page)


if __name__ == "__main__":
    main()
