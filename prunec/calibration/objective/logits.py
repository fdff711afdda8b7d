"""The objectives of models that choose among classes or tokens, or say of each label whether it holds."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from prunec.calibration.labels import LABELS
from prunec.calibration.tokens import padding_mask

from .divergence import class_divergence, label_divergence, summed
from .kind import Tensors, Total


class Logits:
    """Class or token probabilities: damage and report are KL divergence to the dense model."""

    name: ClassVar[str] = "logits"
    damage_unit: ClassVar[str] = "KL divergence to dense, nats per prediction"
    report_unit: ClassVar[str] = "KL divergence to dense, nats per prediction"
    knows_truth: ClassVar[bool] = False
    counts_hits: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = False

    def damage(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """KL(dense || pruned), over the tokens that are not padding where there is one prediction a token."""
        total, count = self._total(outputs, dense, inputs)
        return float(total), count

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """Mean KL(dense || pruned) of the predictions."""
        total, count = self._total(outputs, dense, inputs, weights)
        return total / count

    def truth(self, inputs: Tensors) -> Tensor | None:
        """Nobody says what is right."""
        return None

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """Log-likelihood of predictions drawn from the model: its squared gradients are the Fisher information."""
        return torch.stack([self._drawn(_classes_last(value), generator) for value in outputs.values()]).sum()

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """The same figure as `damage`."""
        return self.damage(outputs, dense, inputs)

    def _total(
        self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None
    ) -> tuple[Tensor, float]:
        mask = padding_mask(inputs)
        losses = [self._losses(_classes_last(value), _classes_last(dense[name])) for name, value in outputs.items()]
        totals = [summed(each, mask, weights) for each in losses]
        return torch.stack([total for total, _ in totals]).sum(), sum(count for _, count in totals)

    def _losses(self, logits: Tensor, dense: Tensor) -> Tensor:
        """The divergence of each prediction `[...]`."""
        return class_divergence(logits, dense)

    def _drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """The log-likelihood of what is drawn from `logits`."""
        logarithms = logits.float().log_softmax(-1).reshape(-1, logits.shape[-1])
        drawn = torch.multinomial(logarithms.detach().exp().cpu(), 1, generator=generator).to(logits.device)
        return logarithms.gather(1, drawn).sum()


class LabelledLogits(Logits):
    """Class probabilities of texts whose classes are known: damage is still KL divergence, the report is accuracy."""

    report_unit: ClassVar[str] = "accuracy"
    knows_truth: ClassVar[bool] = True
    counts_hits: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """Summed cross-entropy against the labels."""
        return functional.cross_entropy(outputs["logits"].float(), inputs[LABELS], reduction="sum")

    def truth(self, inputs: Tensors) -> Tensor:
        """The labels, `[rows]`."""
        return inputs[LABELS]

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """How many texts get their own label, and how many there are."""
        hits = outputs["logits"].argmax(-1) == inputs[LABELS]
        return float(hits.sum()), float(hits.numel())


class LabelSets(Logits):
    """The probability of each label by itself, where several may hold at once: damage is a sum over labels."""

    name: ClassVar[str] = "label-sets"

    def _losses(self, logits: Tensor, dense: Tensor) -> Tensor:
        return label_divergence(logits, dense)

    def _drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        values = logits.float()
        drawn = torch.bernoulli(values.detach().sigmoid().cpu(), generator=generator).to(logits.device)
        return functional.logsigmoid(values * (2 * drawn - 1)).sum()


def _classes_last(value: Tensor) -> Tensor:
    """`[..., classes]`: maps of pixels `[rows, classes, height, width]` have them in front."""
    return value.movedim(1, -1) if value.dim() == 4 else value
