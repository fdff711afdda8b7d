"""What a task's loss is: for choosing (distance to the dense model), for sensitivity, and for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from prunec.calibration.labels import LABELS
from prunec.errors import InputError

from .causal import CausalLanguageModel
from .detections import Detections
from .features import Features
from .kind import Objective, Tensors, Total
from .logits import LabelledLogits, LabelSets, Logits
from .values import Values

__all__ = [
    "OBJECTIVES",
    "CausalLanguageModel",
    "Detections",
    "Features",
    "Goal",
    "LabelSets",
    "LabelledLogits",
    "Logits",
    "Objective",
    "Tensors",
    "Total",
    "Values",
    "flips",
    "objective",
    "unknown_truth",
    "with_labels",
]

KINDS: tuple[type[Objective], ...] = (CausalLanguageModel, Features, Logits, LabelSets, Detections, Values)
OBJECTIVES = {kind.name: kind for kind in KINDS}


def with_labels(objective: Objective, batches: Sequence[Tensors]) -> Objective:
    """`objective`, or the one that uses the labels where all `batches` have a class `[rows]` for each row.

    Others, such as a class for each token or a number that is fitted, are left alone.
    """
    labelled = bool(batches) and all(_classes(batch.get(LABELS)) for batch in batches)
    return LabelledLogits() if labelled and type(objective) is Logits else objective


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


@dataclass(frozen=True)
class Goal:
    """The fact that says which objective a compile serves."""

    objective: Objective


def _classes(labels: Tensor | None) -> bool:
    return labels is not None and labels.dim() == 1 and not labels.is_floating_point()
