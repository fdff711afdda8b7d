"""What is left of a tuned model without a quarter of its units, by what stays of them and by other criteria."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from torch import Tensor, nn

import prunec
from prunec.calibration.kenfile import load_delta
from prunec.calibration.rowrule import Mode
from prunec.calibration.statistics import Collected
from prunec.calibration.unitshares import unit_shares
from prunec.cost.allocation import lowest
from prunec.facts import Family, Plan, Scores, Structure
from prunec.frontends.huggingface import load
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.importance import make
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tools.bench.ken_cases import Case
from tools.bench.rows import Row

CUT = 0.25
"""The share of every family of units that goes."""
KEPT = 0.25
"""The share of each row of which units are scored."""
STAYS = "stays, "
"""Before the modes, in the names of what `prunec ken --physical` writes."""
CRITERIA = (*(STAYS + mode for mode in get_args(Mode)), "ken", "magnitude")
DRAWS = 3
"""Random scorings for each tuning."""


def units(case: Case, rows: list[Row], scratch: Path) -> Iterator[Row]:
    """The rows of `case` that are not among `rows`."""
    have = {(row["criterion"], row["draw"]) for row in rows if "criterion" in row}
    wanted = [(name, case.seed) for name in CRITERIA]
    wanted += [("random", DRAWS * case.seed + draw) for draw in range(DRAWS)]
    if have.issuperset(wanted):
        return
    program = load(case.tuned).program
    (structure,) = StructurePass().run(program, Facts(), Context(scratch, scratch)).facts
    assert isinstance(structure, Structure)
    counts = {family.name: min(round(CUT * family.units), family.spare) for family in structure.families}
    for name, seed in wanted:
        if (name, seed) not in have:
            score = _measure(case, name, seed, program, scratch)
            scores = Scores(name, "", {family.name: score(family) for family in structure.families})
            plan = Plan({family: lowest(scores, family, count) for family, count in counts.items()})
            accuracy = case.accuracy(_Sliced(slim_program(program, structure, plan)))
            yield case.row(criterion=name, draw=seed, accuracy=accuracy)


def _measure(case: Case, name: str, seed: int, program: Program, scratch: Path) -> Callable[[Family], np.ndarray]:
    """What scores a family by the criterion called `name`."""
    if not name.startswith(STAYS):
        criterion: Any = make(name, seed)
        return lambda family: np.asarray(criterion.score(program, family, Collected({})))
    mode: Any = name.removeprefix(STAYS)
    prunec.ken(case.tuned, case.base, scratch / "units.safetensors", mode=mode, keep=KEPT, seed=seed, force=True)
    delta = load_delta(scratch / "units.safetensors")
    return lambda family: unit_shares(family, delta.kept)


class _Sliced(nn.Module):
    """A program in the place of a classifier."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program

    def forward(self, **inputs: Tensor) -> argparse.Namespace:
        """What is read of a classifier's output: logits `[texts, labels]`."""
        return argparse.Namespace(logits=self.program(inputs)["logits"])
