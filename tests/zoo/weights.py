"""Random weights in which no value is what it would be by default."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

_KEPT_SHAPED = re.compile(r"A_log|lambda|conv1d_bias|\.A$")
"""Matrices that are not projections: their values have a meaning, which noise must keep near."""


def randomise(model: nn.Module, seed: int) -> None:
    """Redraw every parameter and running statistic: nothing stays 0 or 1, so that no part is without effect."""
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters(), key=lambda item: item[0]):
            if id(parameter) not in seen and parameter.is_floating_point() and parameter.numel():
                seen.add(id(parameter))
                parameter.copy_(_redrawn(name, parameter, generator).to(parameter.dtype))
        for name, tensor in sorted(model.named_buffers(), key=lambda item: item[0]):
            if tensor.is_floating_point() and name.endswith("running_mean"):
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
            elif tensor.is_floating_point() and name.endswith("running_var"):
                tensor.copy_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))


def _redrawn(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float32)
    if tensor.dim() >= 2 and not _KEPT_SHAPED.search(name):
        inputs = tensor.shape[-1] if tensor.dim() == 3 and "conv" not in name else tensor[0].numel()
        return noise * 0.3 if tensor.shape[0] == 1 or inputs <= 1 else noise / math.sqrt(inputs)
    old = tensor.detach().float()
    old = torch.where(~torch.isfinite(old) | (old.abs() > 50), torch.zeros_like(old), old)
    return old * (1 + 0.1 * torch.randn(tensor.shape, generator=generator)) + 0.1 * noise
