"""Models' folders as a fine-tuning leaves them: tensors read, and folders with others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

HEAD = ("classifier.bias", "classifier.weight")
PREFIX = "bert."


def tensors_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def save_tensors(tensors: Mapping[str, Tensor], folder: Path, like: Path) -> Path:
    """A folder as `like`, with other tensors."""
    shutil.copytree(like, folder, dirs_exist_ok=True)
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
    return folder
