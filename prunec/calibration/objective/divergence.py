"""How far apart two models' predictions are, prediction by prediction."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def class_divergence(logits: Tensor, dense: Tensor) -> Tensor:
    """KL(dense || pruned) of `[..., classes]`, one of which is right: `[...]`, in nats."""
    own, wanted = (value.float().log_softmax(-1) for value in (logits, dense))
    return functional.kl_div(own, wanted, log_target=True, reduction="none").sum(-1)


def label_divergence(logits: Tensor, dense: Tensor) -> Tensor:
    """The same of `[..., labels]`, each of which holds or not, whatever the others do: a sum over labels."""
    own, wanted = logits.float(), dense.float()
    holds = wanted.sigmoid() * (functional.logsigmoid(wanted) - functional.logsigmoid(own))
    fails = (-wanted).sigmoid() * (functional.logsigmoid(-wanted) - functional.logsigmoid(-own))
    return (holds + fails).sum(-1)


def summed(losses: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> tuple[Tensor, float]:
    """The sum of `losses`, weighed if `weights` are given, and how many there are, padding aside where it is known."""
    if weights is not None:
        losses = losses * weights
    if mask is None or losses.shape != mask.shape:
        return losses.sum(), float(losses.numel())
    return (losses * mask).sum(), float(mask.sum())
