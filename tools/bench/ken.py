"""What stays of fine-tunings, measured: accuracy and file size by mode and share, and what it says of whole units.

    python -m tools.bench.ken .cache/models --tuned .cache/ken --results docs/ken.json --page docs/ken.md

For each labelled set and seed MiniLM is tuned by `tools/finetune.py`, into the folder `--tuned`, where it is left. Then
`prunec ken` writes what stays by each mode and share; its file is put into the base in memory and tested on the set's
test rows, which nothing was tuned on. With `--units` these are tested apart: of every family a quarter goes, lowest
scores first, cut out and not repaired. Rows that the results file holds are kept, so that a run that was stopped goes
on where it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import nn

import prunec
from prunec.calibration.checkpoint import Checkpoint
from prunec.calibration.kendelta import KenDelta
from prunec.calibration.kenfile import load_delta, save_delta
from prunec.calibration.rowrule import Mode
from prunec.calibration.rowselection import by_density_grid, by_grid, entries, is_matrix, rows_of
from tools.bench.ken_cases import SEEDS, SETS, Case
from tools.bench.ken_page import page
from tools.bench.ken_units import units
from tools.bench.rows import Row, keep

SHARES = (0.1, 0.25, 0.5, 0.75)
"""Of each row; all of it is the tuned model itself, whatever the mode."""
MODES = get_args(Mode)


def kept(case: Case, module: nn.Module, mode: Mode, share: float, scratch: Path) -> Row:
    """Accuracy and size of what stays by `mode`; `module` holds the base."""
    path = scratch / "kept.safetensors"
    report = prunec.ken(case.tuned, case.base, path, mode=mode, keep=share, seed=case.seed, force=True)
    with prunec.load_ken(module, path):
        accuracy = case.accuracy(module)
    sizes = {"bytes": report.artifact_bytes, "stored": report.stored, "entries": report.entries}
    return case.row(mode=mode, keep=share, accuracy=accuracy, seconds=report.seconds, **sizes)


def without_matrices(case: Case, module: nn.Module, scratch: Path) -> Row:
    """Accuracy where no matrix but the classifier's is as it was tuned: biases, norms and the classifier alone."""
    path = scratch / "least.safetensors"
    prunec.ken(case.tuned, case.base, path, mode="random", rows=1, force=True)
    save_delta(_emptied(load_delta(path)), path)
    with prunec.load_ken(module, path):
        return case.row(mode="none", keep=0.0, accuracy=case.accuracy(module), bytes=path.stat().st_size)


def _emptied(delta: KenDelta) -> KenDelta:
    """The delta without entries of matrices."""
    patches = {
        name: replace(patch, positions=patch.positions[:0], values=patch.values[:0]) if len(patch.shape) > 1 else patch
        for name, patch in delta.patches.items()
    }
    return replace(delta, patches=patches)


def density(case: Case) -> Row:
    """Of what the published choice keeps, the share that it keeps without a density: over every fourth matrix."""
    tensors = Checkpoint.of(case.tuned)
    matrices = [tensor for name in list(tensors) if is_matrix(tensor := tensors[name])][::4]
    same = {}
    for share in SHARES:
        found, total = 0, 0
        for rows in map(rows_of, matrices):
            count = entries(rows.shape[1], share)
            for one, other in zip(by_density_grid(rows, count), by_grid(rows, count), strict=True):
                found += len(np.intersect1d(one, other))
                total += count
        same[f"{share:g}"] = found / total
    return case.row(same=same)


def missing(case: Case, rows: list[Row], options: argparse.Namespace) -> Iterator[Row]:
    """The rows of one tuning that are not there."""
    own = [row for row in rows if (row["set"], row["seed"]) == (case.name, case.seed)]
    have = {(row["mode"], row["keep"]) for row in own if "mode" in row}
    tuning = case.tune(options)
    with tempfile.TemporaryDirectory() as folder:
        if ("full", 1.0) not in have:
            size = sum(path.stat().st_size for path in case.tuned.glob("*.safetensors"))
            accuracy = case.accuracy(case.classifier(case.tuned))
            yield case.row(mode="full", keep=1.0, accuracy=accuracy, bytes=size, tests=len(case.tests[0]), **tuning)
        base = case.classifier(case.base)
        if ("none", 0.0) not in have:
            yield without_matrices(case, base, Path(folder))
        if options.units:
            yield from units(case, own, Path(folder))
        for share in SHARES:
            for mode in MODES:
                if (mode, share) not in have:
                    yield kept(case, base, mode, share, Path(folder))
        if case.seed == SEEDS[0] and not any("same" in row for row in own):
            yield density(case)


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and labelled sets")
    parser.add_argument("--tuned", type=Path, required=True, help="folder of the tuned models")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--sets", default=",".join(SETS), help="labelled sets, separated by commas")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds of tuning, separated by commas")
    parser.add_argument("--rows", type=int, default=1500, help="training rows at most")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--longest", type=int, default=128, help="tokens of a text at most")
    parser.add_argument("--units", action="store_true", help="also cut units")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = json.loads(options.results.read_text()) if options.results.exists() else []
    options.tuned.mkdir(parents=True, exist_ok=True)
    for seed in map(int, options.seeds.split(",")):
        for name in options.sets.split(","):
            case = Case(options.models, name, seed, options.tuned / f"{name}-{seed}", options.longest)
            for row in missing(case, rows, options):
                keep(row, rows, options.results, options.page, page)


if __name__ == "__main__":
    main()
