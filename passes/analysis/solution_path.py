"""`solution-path`: one run of differential inclusions over all masks, and when each unit enters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.inclusion import Inclusion
from prunec.calibration.masked import masked_program, open_masks
from prunec.calibration.objective import Goal, Objective
from prunec.calibration.removal import WORK
from prunec.calibration.tokens import Batch, require_finite, sequences, token_count
from prunec.cost.counting import count_per_unit
from prunec.errors import InputError
from prunec.facts import SolutionPath, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

PASSES = 4
"""Runs of a sequence that a step takes, in multiples of one: dense, masked, and back twice as long."""
HALF_LOSS = 8.0
"""Second derivative of `h (1 - m)^2 / 2` in shares of its value at m = 1/2."""


@dataclass(frozen=True)
class SolutionPathPass(Pass):
    """Pull all masks towards nothing, and note when the distance to the dense model lets each unit enter.

    The iteration is that of `prunec.calibration.inclusion`, after Ding et al. 2025, "SPP". L is the objective's
    distance to the dense model, on as many sequences a step as hold `tokens`, taken from the scoring text by turns. Its
    scale is chosen so that masks of one half everywhere would cost what a curvature of `hold / nu` a unit costs: a mean
    unit, left to itself, then rests at `hold / (1 + hold)`.

    A unit counts as many mean units as it has times their parameters: its gradient is divided by that. So one order
    spans heads and neurons, and is that of loss for parameters. The published code goes by the task's loss, and takes
    shares of attention and of feed-forward apart.

    Attributes:
        hold: how hard the loss holds masks up against the pull.
        kappa: how fast masks move.
        step: time between two steps, in nu.
        steps: how many there are.
        tokens: how much text a step uses, at least one sequence; None as much as keeps the whole near `WORK` of
            `prunec.calibration.removal`.
    """

    name: ClassVar[str] = "solution-path"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (SolutionPath,)

    hold: float = 4.0
    kappa: float = 2.0
    step: float = 0.05
    steps: int = 200
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("hold", "kappa", "step", "steps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"solution-path with {name}={getattr(self, name):g} goes nowhere", "give more than 0")

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the path.

        Raises:
            PassError: a gradient is not finite; the family is named.
        """
        structure, corpus = facts[Structure], facts[Corpus]
        tokens = self.tokens or max(1, int(WORK / PASSES / self.steps / program.parameter_count()))
        loss = _Loss(program, structure, facts[Goal].objective)
        texts = _chunks(corpus.score, tokens)
        weights = np.concatenate(
            [np.full(f.units, count_per_unit(program, f, "parameters")) for f in structure.families]
        )
        weights = weights / weights.mean()
        inclusion = Inclusion(len(weights), self.step, self.kappa)
        halved, _ = loss.at(np.full(len(weights), 0.5), next(texts))
        scale = self.hold * len(weights) / (HALF_LOSS * max(halved, np.finfo(float).tiny))
        for number in range(self.steps):
            _, gradient = loss.at(inclusion.masks, next(texts))
            inclusion.update(scale * gradient / weights)
            context.progress.item("following the solution path", number + 1, self.steps)
        entries = loss.by_family(inclusion.times())
        entered = int((~np.isnan(inclusion.entries)).sum())
        path = SolutionPath(self.name, corpus.data_hash, entries)
        return PassResult(program, (path,), f"{entered:,} of {len(weights):,} units entered in {self.steps} steps")


class _Loss:
    """The distance to the dense model under masks, and its gradient by all masks of all families in one vector."""

    def __init__(self, program: Program, structure: Structure, objective: Objective) -> None:
        self.program, self.structure, self.objective = program, structure, objective
        self.masked = masked_program(program, structure)

    def by_family(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """`values` `[all units]` by family name."""
        families = self.structure.families
        ends = np.cumsum([family.units for family in families])[:-1]
        return dict(zip((family.name for family in families), np.split(values, ends), strict=True))

    def at(self, masks: np.ndarray, rows: Sequence[Batch]) -> tuple[float, np.ndarray]:
        """Mean over sequences of the distance, and its gradient `[all units]`."""
        total, gradient = 0.0, np.zeros(len(masks))
        for row in rows:
            variables = {
                name: torch.tensor(values, dtype=torch.float32, requires_grad=True)
                for name, values in self.by_family(masks).items()
            }
            distance = self._distance(variables, row)
            found = torch.autograd.grad(distance, list(variables.values()))
            for name, part in zip(variables, found, strict=True):
                require_finite(name, part)
            total += float(distance.detach())
            gradient += torch.cat(found).double().numpy()
        return total / len(rows), gradient / len(rows)

    def _distance(self, variables: Mapping[str, Tensor], row: Batch) -> Tensor:
        masks = open_masks(self.structure) | {f"mask.{name}": mask for name, mask in variables.items()}
        with torch.no_grad():
            dense = self.program(row)
        return self.objective.distance(self.masked({**row, **masks}), dense, row)


def _chunks(batches: Sequence[Batch], tokens: int) -> Iterator[list[Batch]]:
    """The sequences by turns, for ever, in lists that hold `tokens`: however they were batched."""
    rows: list[Batch] = []
    for row in cycle([row for batch in batches for row in sequences(batch)]):
        rows.append(row)
        if sum(map(token_count, rows)) >= tokens:
            yield rows
            rows = []
