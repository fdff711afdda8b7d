"""Text that nothing is fitted on: what repaired programs are measured by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from prunec.calibration.objective import Objective, Tensors
from prunec.ir.program import Program


@dataclass(frozen=True)
class HeldOut:
    """Batches with what the dense program says of them, computed once.

    Attributes:
        batches: the text.
        dense: the dense program's outputs, a mapping a batch.
        objective: what damage is.
    """

    batches: Sequence[Tensors]
    dense: Sequence[Tensors]
    objective: Objective

    @staticmethod
    def of(dense: Program, batches: Sequence[Tensors], objective: Objective) -> HeldOut:
        """Run `dense` over `batches`."""
        with torch.no_grad():
            return HeldOut(batches, [dense(batch) for batch in batches], objective)

    def damage(self, program: Callable[[Tensors], Tensors]) -> float:
        """Damage of `program`, or of an artifact in its place, a mean over all items."""
        total, count = 0.0, 0.0
        with torch.no_grad():
            for batch, reference in zip(self.batches, self.dense, strict=True):
                value, items = self.objective.damage(program(batch), reference, batch)
                total, count = total + value, count + items
        return total / count
