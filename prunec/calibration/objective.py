"""What a task's loss is: for choosing (distance to the dense model), for sensitivity, and for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from prunec.calibration.labels import LABELS
from prunec.calibration.tokens import relative_error
from prunec.errors import InputError

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
        total, count = _divergence(outputs["logits"], dense["logits"], inputs.get("attention_mask"))
        return float(total), count

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """Mean KL(dense || pruned) of the tokens that are not padding."""
        total, count = _divergence(outputs["logits"], dense["logits"], inputs.get("attention_mask"), weights)
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

    def _cross_entropy(self, logits: Tensor, inputs: Tensors) -> tuple[Tensor, float]:
        labels = inputs["input_ids"][:, 1:]
        losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2).float(), labels, reduction="none")
        mask = inputs.get("attention_mask")
        if mask is None:
            return losses.sum(), float(losses.numel())
        kept = (mask[:, 1:] * mask[:, :-1]).to(losses.dtype)
        return (losses * kept).sum(), float(kept.sum())


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
        apart = _cosine_distances(outputs, dense, inputs.get("attention_mask"))
        return float(apart.sum()), float(apart.numel())

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """The mean damage, and the mean relative squared error of tokens: cosines say nothing of sizes."""
        errors = [relative_error(value, dense[name], inputs) for name, value in outputs.items()]
        return _cosine_distances(outputs, dense, inputs.get("attention_mask")).mean() + torch.stack(errors).mean()

    def truth(self, inputs: Tensors) -> None:
        """Features are not right or wrong."""

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """A random projection of the outputs, scaled by their size: its gradients' squares estimate the Jacobian."""
        total = torch.zeros(())
        for value in outputs.values():
            direction = torch.randn(value.shape, generator=generator).to(value)
            mask = inputs.get("attention_mask")
            if mask is not None and value.dim() == 3:
                direction = direction * mask.unsqueeze(-1).to(value)
            total = total + (value * direction).sum() / value.detach().norm()
        return total

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """Cosine similarity of the mean-pooled features."""
        mask = inputs.get("attention_mask")
        values = [functional.cosine_similarity(_pool(outputs[n], mask), _pool(dense[n], mask), dim=-1) for n in outputs]
        return float(sum(value.sum() for value in values)), float(sum(value.numel() for value in values))


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
        total, count = self._divergence(outputs, dense, inputs)
        return float(total), count

    def distance(self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None) -> Tensor:
        """Mean KL(dense || pruned) of the predictions."""
        total, count = self._divergence(outputs, dense, inputs, weights)
        return total / count

    def truth(self, inputs: Tensors) -> Tensor | None:
        """Nobody says what is right."""
        return None

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """Log-likelihood of predictions drawn from the model: its squared gradients are the Fisher information."""
        total = torch.zeros(())
        for value in outputs.values():
            logarithms = value.float().log_softmax(-1)
            flat = logarithms.detach().exp().reshape(-1, value.shape[-1])
            drawn = torch.multinomial(flat.cpu(), 1, generator=generator).to(value.device)
            total = total + logarithms.reshape(-1, value.shape[-1]).gather(1, drawn).sum()
        return total

    def report(self, outputs: Tensors, dense: Tensors, inputs: Tensors) -> Total:
        """The same figure as `damage`."""
        return self.damage(outputs, dense, inputs)

    def _divergence(
        self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None
    ) -> tuple[Tensor, float]:
        totals = [_divergence(outputs[name], dense[name], inputs.get("attention_mask"), weights) for name in outputs]
        return torch.stack([total for total, _ in totals]).sum(), sum(count for _, count in totals)


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


def with_labels(objective: Objective, batches: Sequence[Tensors]) -> Objective:
    """`objective`, or the one that uses the labels where all `batches` have one for each prediction."""
    labelled = bool(batches) and all(LABELS in batch for batch in batches)
    return LabelledLogits() if labelled and isinstance(objective, Logits) else objective


OBJECTIVES: dict[str, type[Objective]] = {kind.name: kind for kind in (CausalLanguageModel, Features, Logits)}


def objective(name: str) -> Objective:
    """The objective called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in OBJECTIVES:
        raise InputError(f"there is no objective '{name}'", f"use one of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]()


def unknown_truth(objective: Objective) -> InputError:
    """The error of asking what is right where nothing says so."""
    return InputError(
        f"recovery by weakness needs to know what is right, and nothing says so of {objective.name}",
        'give --calibration rows with labels, {"text": "...", "label": "..."}, to a classifier, or --recover distill',
    )


def flips(truth: Tensor, outputs: Tensors, dense: Tensors) -> Tensor:
    """Where the dense model is right and the pruned one wrong, boolean in the shape of `truth`."""
    right, own = (found["logits"].argmax(-1) == truth for found in (dense, outputs))
    return right & ~own


def _divergence(
    logits: Tensor, dense: Tensor, mask: Tensor | None, weights: Tensor | None = None
) -> tuple[Tensor, float]:
    losses = functional.kl_div(
        logits.float().log_softmax(-1), dense.float().log_softmax(-1), log_target=True, reduction="none"
    ).sum(-1)
    if weights is not None:
        losses = losses * weights
    if mask is None or losses.shape != mask.shape:
        return losses.sum(), float(losses.numel())
    return (losses * mask).sum(), float(mask.sum())


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


@dataclass(frozen=True)
class Goal:
    """The fact that says which objective a compile serves."""

    objective: Objective
