"""How the steps of a compile grow with layers and width: processor time on one thread, and the exponent.

    python -m tools.bench.growth --results docs/growth.json --page docs/growth.md

Models are random Llamas; where no weights are needed they have none, and are as wide as real ones. Rows that the
results file holds are kept, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from prunec.cost.cache import cpu_model
from prunec.facts import Structure
from tools.bench.growth_page import page
from tools.bench.growth_steps import STEPS, WIDEST, Shape, Subject, shapes
from tools.bench.rows import Row, keep

REPEATED = 1.0
"""Steps that take less, in seconds, are measured three times, and the least counts."""


def rows(known: list[Row], sizes: Sequence[Shape], names: Sequence[str]) -> Iterator[Row]:
    """The rows that are missing, one size after the other."""
    have = {(row["step"], row["sweep"], row["layers"], row["width"]) for row in known}
    for shape in sizes:
        for weights in (False, True):
            subject = Subject(shape, weights)
            for name in names:
                key = (name, shape.sweep, shape.layers, shape.width)
                if STEPS[name].weights == weights and key not in have and not (weights and _too_large(shape)):
                    yield _row(name, subject)


def _too_large(shape: Shape) -> bool:
    return shape.width > WIDEST


def _row(name: str, subject: Subject) -> Row:
    shape, facts = subject.shape, subject.facts
    seconds: list[float] = []
    while not seconds or (len(seconds) < 3 and seconds[0] < REPEATED):
        started = time.process_time()
        STEPS[name].run(subject)
        seconds.append(time.process_time() - started)
    return {
        "step": name,
        "sweep": shape.sweep,
        "layers": shape.layers,
        "width": shape.width,
        "parameters": subject.program.parameter_count(),
        "nodes": len(subject.program.graph.nodes),
        "units": sum(family.units for family in facts[Structure].families),
        "seconds": round(min(seconds), 4),
        "machine": f"{cpu_model()}, 1 thread, processor time",
    }


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--steps", default=",".join(STEPS), help="by name, separated by commas")
    parser.add_argument("--layers", type=int, default=10**6, help="no more layers than these")
    parser.add_argument("--width", type=int, default=10**6, help="none wider than this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    sizes = [shape for shape in shapes() if shape.layers <= given.layers and shape.width <= given.width]
    for row in rows(found, sizes, given.steps.split(",")):
        keep(row, found, given.results, given.page, page)


if __name__ == "__main__":
    main()
