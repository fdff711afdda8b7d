"""A fine-tuned model and what it may have been tuned from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.drivers.tunings import HEAD, PREFIX, save_tensors, tensors_of


@pytest.fixture
def tuned(tiny_classifier_dir: Path, tmp_path: Path) -> Path:
    """The fine-tuned model: a classifier."""
    return shutil.copytree(tiny_classifier_dir, tmp_path / "task")


@pytest.fixture
def base(tuned: Path, tmp_path: Path) -> Path:
    """What it may have been tuned from: without a head or a prefix, and every entry but a row of each matrix moved."""
    draw = torch.Generator().manual_seed(1)
    before: dict[str, Tensor] = {}
    for name, tensor in tensors_of(tuned).items():
        if name not in HEAD:
            noise = torch.randn(tensor.shape, generator=draw)
            moved = tensor + 0.01 * (noise**3 + noise.sign())
            moved[:1] = tensor[:1] if tensor.dim() > 1 else moved[:1]
            before[name.removeprefix(PREFIX)] = moved
    return save_tensors(before, tmp_path / "base", tuned)
