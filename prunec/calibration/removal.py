"""What one removal costs: the objective of the masked program, the dense run of every batch at hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Objective
from prunec.calibration.tokens import Batch, require_finite, token_count
from prunec.facts import Plan, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program

WORK = 1.6e13
"""Multiplications that the measurements may take: two to three minutes on two cores."""
LEAST = 512
"""Tokens below which a measurement says little."""
WORST = 1e4
"""What a removal loses at the most, in whatever unit: more than any that one would make, and little enough to add up.
Infinities and what is no number count as that."""
NONE: Mapping[str, Tensor] = {}


def affordable(removals: int, program: Program) -> int:
    """Tokens that `removals` can be measured on within `WORK`, `LEAST` at the least."""
    return max(LEAST, int(WORK / max(1, removals) / program.parameter_count()))


def at_most(batches: Iterable[Batch], tokens: int) -> list[Batch]:
    """The first batches, one at least, until they hold `tokens`."""
    chosen: list[Batch] = []
    seen = 0
    for batch in batches:
        if chosen and seen >= tokens:
            break
        chosen.append(batch)
        seen += token_count(batch)
    return chosen


def bounded(loss: float) -> float:
    """`loss`, and `WORST` where that is less or where `loss` is no number."""
    return loss if loss < WORST else WORST


class Probe:
    """Measures removals from the masked program; everything before a removal is computed once a batch.

    What a bypassed sublayer would add is not computed.

    Attributes:
        masked: the program with its masks.
        items: tokens or sequences that the last figure is a mean over.
    """

    def __init__(self, program: Program, structure: Structure, objective: Objective, batches: Sequence[Batch]) -> None:
        self.structure, self.objective, self.batches = structure, objective, batches
        self.masked = masked_program(program, structure)
        self.nodes = {node.name: node for node in self.masked.graph.nodes}
        self.outputs = output_nodes(self.masked)
        self.reads = self.masked.graph.find_nodes(op="get_attr")
        self.items = 0.0
        self.streams = self._run(Plan({}), NONE, self.outputs)
        self.dense = [{node: found[node] for node in self.outputs} for found in self.streams]

    def go_on_from(self, plan: Plan, weights: Mapping[str, Tensor] = NONE) -> None:
        """Compute anew what lies before removals, for plans that hold `plan` too, with `weights` as in `damage`.

        Damage stays the distance to the dense program.
        """
        self.streams = self._run(plan, weights, ())

    def damage(self, plan: Plan, place: Sublayer | None, weights: Mapping[str, Tensor] = NONE) -> float:
        """Mean damage of `plan`, in the objective's unit, `WORST` at the most.

        Args:
            plan: what is removed.
            place: the sublayer before which nothing changes, besides what `go_on_from` was told: that is not run
                again. None runs all.
            weights: weights that take the place of the program's, by name.

        Raises:
            PassError: the dense program's own outputs are not finite.
        """
        total, self.items = 0.0, 0.0
        for batch, dense, stream in zip(self.batches, self.dense, self.streams, strict=True):
            names = (place.start, place.skip) if place else ()
            start = {self.nodes[name]: stream[self.nodes[name]] for name in names}
            with torch.no_grad():
                values = evaluate(self.masked, self._known(batch, plan, weights) | start, self.outputs)
            pruned, reference = (
                dict(zip(self.masked.outputs, (found[node] for node in self.outputs), strict=True))
                for found in (values, dense)
            )
            value, items = self.objective.damage(pruned, reference, batch)
            if not math.isfinite(value):
                for name, output in reference.items():
                    require_finite(name, output)
            total, self.items = total + value, self.items + items
        return bounded(total / self.items)

    def _run(self, plan: Plan, weights: Mapping[str, Tensor], more: Iterable[fx.Node]) -> list[dict[fx.Node, Any]]:
        """What every sublayer starts from, and `more`, batch by batch."""
        starts = [self.nodes[name] for item in self.structure.sublayers for name in (item.start, item.skip)]
        with torch.no_grad():
            return [
                evaluate(self.masked, self._known(batch, plan, weights), dict.fromkeys([*more, *starts]))
                for batch in self.batches
            ]

    def _known(self, batch: Batch, plan: Plan, weights: Mapping[str, Tensor]) -> dict[fx.Node, Any]:
        known = input_values(self.masked, {**batch, **plan_masks(self.structure, plan)})
        known |= {node: weights[str(node.target)] for node in self.reads if node.target in weights}
        for sublayer in self.structure.sublayers:
            branch = self.nodes[sublayer.branch]
            if sublayer.name in plan.sublayers and len(branch.users) == 1:
                known[branch] = torch.zeros(())
        return known
