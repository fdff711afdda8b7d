"""The objective of models that give numbers: the score of a reranker, the depth of a pixel."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .kind import Tensors, Total


class Values:
    """Numbers as the product: damage and report are the mean squared difference from the dense model."""

    name: ClassVar[str] = "values"
    damage_unit: ClassVar[str] = "mean squared difference from dense"
    report_unit: ClassVar[str] = "mean squared difference from dense"
    knows_truth: ClassVar[bool] = False
    counts_hits: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = False

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """Squared differences, over all numbers."""
        total, count = _squares(outputs, dense)
        return float(total), count

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """Their mean."""
        total, count = _squares(outputs, dense)
        return total / count

    def truth(self, inputs: Tensors) -> None:
        """No output stands for a class that could be right."""

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """A random projection of the outputs: the squares of its gradients estimate the Jacobian's."""
        drawn = [torch.randn(value.shape, generator=generator).to(value) for value in outputs.values()]
        return torch.stack([(value * way).sum() for value, way in zip(outputs.values(), drawn, strict=True)]).sum()

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """The same figure as `damage`."""
        return self.damage(outputs, dense, inputs)


def _squares(outputs: Tensors, dense: Tensors) -> tuple[Tensor, float]:
    squares = [(value.float() - dense[name].float()).square() for name, value in outputs.items()]
    return torch.stack([each.sum() for each in squares]).sum(), float(sum(each.numel() for each in squares))
