"""What one removal costs: the objective of the masked program, the dense run of every batch at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Objective
from prunec.calibration.tokens import Batch
from prunec.facts import Plan, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program

WORK = 1.6e13
"""Multiplications that the measurements may take: two to three minutes on two cores."""
LEAST = 512
"""Tokens below which a measurement says little."""
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
        mask = batch.get("attention_mask")
        seen += int(mask.sum()) if mask is not None else next(iter(batch.values())).numel()
    return chosen


class Probe:
    """Measures removals from the masked program; everything before a removal is computed once a batch.

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
        starts = [self.nodes[name] for item in structure.sublayers for name in (item.start, item.skip)]
        opened = plan_masks(structure, Plan({}))
        with torch.no_grad():
            self.dense = [
                evaluate(self.masked, self._known(batch, opened), dict.fromkeys([*self.outputs, *starts]))
                for batch in batches
            ]

    def damage(self, plan: Plan, place: Sublayer | None, weights: Mapping[str, Tensor] = NONE) -> float:
        """Mean damage of `plan`, in the objective's unit.

        Args:
            plan: what is removed.
            place: the sublayer that all of it lies in, if there is one: nothing before it is run again.
            weights: weights that take the place of the program's, by name.
        """
        masks = plan_masks(self.structure, plan)
        total, self.items = 0.0, 0.0
        other = {node: weights[str(node.target)] for node in self.reads if node.target in weights}
        for batch, dense in zip(self.batches, self.dense, strict=True):
            start = {self.nodes[name]: dense[self.nodes[name]] for name in ((place.start, place.skip) if place else ())}
            with torch.no_grad():
                values = evaluate(self.masked, self._known(batch, masks) | other | start, self.outputs)
            pruned, reference = (
                dict(zip(self.masked.outputs, (found[node] for node in self.outputs), strict=True))
                for found in (values, dense)
            )
            value, items = self.objective.damage(pruned, reference, batch)
            total, self.items = total + value, self.items + items
        return total / self.items

    def _known(self, batch: Batch, masks: Mapping[str, Tensor]) -> dict[fx.Node, Any]:
        return input_values(self.masked, {**batch, **masks})
