"""What every objective can say: how far from dense, what is right, what outputs are sensitive to, what to report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]
Total = tuple[float, float]
"""A sum and the number of items it is over."""


class Objective(Protocol):
    """The loss of one task. Totals are (sum, count), so that batches add up.

    Attributes:
        name: as the frontend's task table spells it.
        damage_unit: what `damage` is measured in.
        report_unit: what `report` is measured in.
        knows_truth: whether `target` is a loss against what is right, instead of what the model says.
        counts_hits: whether `report` is a share of items that are right.
        higher_is_better: whether a model is better whose `report` is higher.
    """

    name: ClassVar[str]
    damage_unit: ClassVar[str]
    report_unit: ClassVar[str]
    knows_truth: ClassVar[bool]
    counts_hits: ClassVar[bool]
    higher_is_better: ClassVar[bool]

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """How far a pruned model's outputs are from the dense model's: 0 where they agree."""
        ...

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """The damage as a mean over items, a scalar with a gradient: what training brings down.

        Args:
            outputs: the pruned model's.
            dense: the dense model's.
            inputs: of both.
            weights: what each item counts, in the shape of `truth`; all alike if None or where there is no truth.
        """
        ...

    def truth(self, inputs: Tensors) -> Tensor | None:
        """Which of its `logits` is right for each item, -1 where that is not known; None where it never is."""
        ...

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """A scalar whose gradient says what the outputs are sensitive to, summed over the items of one sequence."""
        ...

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """The figure that people read."""
        ...
