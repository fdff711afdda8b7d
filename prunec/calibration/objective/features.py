"""The objective of models whose hidden states are the product."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from prunec.calibration.tokens import padding_mask, relative_error

from .kind import Tensors, Total


class Features:
    """Hidden states as the product: damage and report are cosine distances and similarities to the dense model."""

    name: ClassVar[str] = "features"
    damage_unit: ClassVar[str] = "1 - cosine to dense, mean of tokens and of their mean"
    report_unit: ClassVar[str] = "cosine of mean-pooled features to dense"
    knows_truth: ClassVar[bool] = False
    counts_hits: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = True

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """Half the mean distance of tokens, half the distance of the pooled vectors, per sequence."""
        apart = _cosine_distances(_by_token(outputs), _by_token(dense), padding_mask(inputs))
        return float(apart.sum()), float(apart.numel())

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """The mean damage, and the mean relative squared error of tokens: cosines say nothing of sizes."""
        outputs, dense = _by_token(outputs), _by_token(dense)
        errors = [relative_error(value, dense[name], inputs) for name, value in outputs.items()]
        return _cosine_distances(outputs, dense, padding_mask(inputs)).mean() + torch.stack(errors).mean()

    def truth(self, inputs: Tensors) -> None:
        """Features are not right or wrong."""

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """A random projection of the outputs, scaled by their size: its gradients' squares estimate the Jacobian."""
        total, mask = torch.zeros(()), padding_mask(inputs)
        for value in outputs.values():
            direction = torch.randn(value.shape, generator=generator).to(value)
            if mask is not None and value.dim() == 3 and mask.shape == value.shape[:2]:
                direction = direction * mask.unsqueeze(-1).to(value)
            total = total + (value * direction).sum() / value.detach().norm()
        return total

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """Cosine similarity of the mean-pooled features."""
        outputs, dense, mask = _by_token(outputs), _by_token(dense), padding_mask(inputs)
        values = [functional.cosine_similarity(_pool(outputs[n], mask), _pool(dense[n], mask), dim=-1) for n in outputs]
        return float(sum(value.sum() for value in values)), float(sum(value.numel() for value in values))


def _by_token(outputs: Tensors) -> Tensors:
    """The outputs with their features last: maps `[rows, features, height, width]` as `[rows, tokens, features]`."""
    return {name: value.flatten(2).mT if value.dim() == 4 else value for name, value in outputs.items()}


def _cosine_distances(outputs: Tensors, dense: Tensors, mask: Tensor | None) -> Tensor:
    """For each output of each sequence half the mean distance of tokens and half that of the pooled vectors."""
    distances = []
    for name, value in outputs.items():
        pooled = 1 - functional.cosine_similarity(_pool(value, mask), _pool(dense[name], mask), dim=-1)
        tokens = 1 - functional.cosine_similarity(value, dense[name], dim=-1)
        spread = _pool(tokens.unsqueeze(-1), mask).squeeze(-1) if tokens.dim() > 1 else tokens
        distances.append((pooled + spread) / 2)
    return torch.cat(distances)


def _pool(value: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the tokens that are not padding; values without a token axis as they are."""
    if value.dim() < 3:
        return value
    if mask is None or mask.shape != value.shape[:2]:
        return value.flatten(1, -2).mean(1)
    weights = mask.unsqueeze(-1).to(value.dtype)
    return (value * weights).sum(1) / weights.sum(1).clamp(min=1)
