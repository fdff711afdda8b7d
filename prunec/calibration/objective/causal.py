"""The objective of models that predict the next token."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from .divergence import class_divergence, summed
from .kind import Tensors, Total


class CausalLanguageModel:
    """Next-token prediction: damage is KL divergence to the dense model, the report is cross-entropy."""

    name: ClassVar[str] = "causal-lm"
    damage_unit: ClassVar[str] = "KL divergence to dense, nats per token"
    report_unit: ClassVar[str] = "cross-entropy, nats per token"
    knows_truth: ClassVar[bool] = True
    counts_hits: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = False

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """KL(dense || pruned) over the tokens that are not padding."""
        total, count = self._divergence(outputs, dense, inputs)
        return float(total), count

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """Mean KL(dense || pruned) of the tokens that are not padding."""
        total, count = self._divergence(outputs, dense, inputs, weights)
        return total / count

    def truth(self, inputs: Tensors) -> Tensor:
        """The token that follows each, `[rows, positions]`."""
        tokens, mask = inputs["input_ids"], inputs.get("attention_mask")
        following = torch.full_like(tokens, -1)
        following[:, :-1] = tokens[:, 1:]
        if mask is not None:
            following[:, :-1][(mask[:, 1:] * mask[:, :-1]) == 0] = -1
        return following

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """Summed cross-entropy on the text itself."""
        total, _ = self._cross_entropy(outputs["logits"], inputs)
        return total

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """Cross-entropy on the text."""
        total, count = self._cross_entropy(outputs["logits"], inputs)
        return float(total), count

    def _divergence(
        self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None
    ) -> tuple[Tensor, float]:
        losses = class_divergence(outputs["logits"], dense["logits"])
        return summed(losses, inputs.get("attention_mask"), weights)

    def _cross_entropy(self, logits: Tensor, inputs: Tensors) -> tuple[Tensor, float]:
        labels = inputs["input_ids"][:, 1:]
        losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2).float(), labels, reduction="none")
        mask = inputs.get("attention_mask")
        if mask is None:
            return losses.sum(), float(losses.numel())
        kept = (mask[:, 1:] * mask[:, :-1]).to(losses.dtype)
        return (losses * kept).sum(), float(kept.sum())
