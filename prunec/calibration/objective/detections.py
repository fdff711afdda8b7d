"""The objective of models that find objects in an image: what each is, and where."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .kind import Tensors
from .logits import Logits

BOXES = "pred_boxes"
NATS = 5.0
"""What a box counts that is off by all of an image, beside classes in nats: as in DETR (Carion et al. 2020, A.4)."""


class Detections(Logits):
    """Classes and boxes: damage is the KL divergence of classes and `NATS` times the distance (L1) of boxes, a sum."""

    name: ClassVar[str] = "detections"
    damage_unit: ClassVar[str] = "KL divergence to dense and 5 times the distance of boxes, per object asked for"
    report_unit: ClassVar[str] = damage_unit

    def target(self, outputs: Tensors, inputs: Tensors, generator: torch.Generator) -> Tensor:
        """Log-likelihood of classes, and of boxes by a Laplace distribution, both drawn from the model."""
        classes = super().target(_classes(outputs), inputs, generator)
        if BOXES not in outputs:
            return classes
        boxes = outputs[BOXES].float()
        sides = torch.randint(2, boxes.shape, generator=generator).to(boxes) * 2 - 1  # each side is as likely
        return classes + NATS * (boxes * sides).sum()

    def _total(
        self, outputs: Tensors, dense: Tensors, inputs: Tensors, weights: Tensor | None = None
    ) -> tuple[Tensor, float]:
        total, count = super()._total(_classes(outputs), dense, inputs, weights)
        if BOXES in outputs:
            total = total + NATS * (outputs[BOXES].float() - dense[BOXES].float()).abs().sum()
        return total, count


def _classes(outputs: Tensors) -> Tensors:
    return {name: value for name, value in outputs.items() if name != BOXES}
