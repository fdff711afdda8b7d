"""Calibration data that is no text: files of a model's inputs, and images."""

from __future__ import annotations

import random
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from prunec.calibration.batching import Batch, Batches
from prunec.calibration.labels import LABELS
from prunec.errors import InputError

TENSORS = (".npz", ".safetensors")
"""Files of arrays by input name, rows along their first axis."""
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MOST = 256
"""Images that are calibrated on at most: of more, so many are drawn."""


def read_inputs(files: Sequence[Path]) -> Batches:
    """The arrays in `files`, one batch a file.

    Raises:
        InputError: a file cannot be read, is empty, its arrays are not of equally many rows, or only some have labels.
    """
    found = {file: _arrays(file) for file in files}
    bare = [file for file, arrays in found.items() if LABELS not in arrays]
    if 0 < len(bare) < len(found):
        raise InputError(f"{bare[0]} has no array {LABELS}, and other files have one", "label the rows of all or none")
    return tuple(found.values())


def in_rows(batches: Sequence[Batch], rows: int) -> Batches:
    """`batches` cut so that none has more than `rows` rows."""
    return tuple(
        {name: value[start : start + rows] for name, value in batch.items()}
        for batch in batches
        for start in range(0, row_count(batch), rows)
    )


def row_count(batch: Batch) -> int:
    """How many rows a batch has."""
    return len(next(iter(batch.values())))


def row_shapes(batch: Batch) -> dict[str, tuple[int, ...]]:
    """The shape of a row of each input in `batch` that is no token, by name."""
    return {name: tuple(value.shape[1:]) for name, value in batch.items() if value.is_floating_point()}


def stacked(batches: Sequence[Batch]) -> Batch:
    """The rows of `batches` as one batch.

    Raises:
        InputError: they differ in shape.
    """
    try:
        return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    except (RuntimeError, KeyError) as error:
        raise InputError(
            "the preprocessor gives images of different shapes", "crop them alike, or give the inputs as .npz"
        ) from error


def drawn(files: Sequence[Path], seed: int, most: int | None) -> list[Path]:
    """All of `files`, or `most` of them, in an order drawn by `seed`: folders have like beside like."""
    return random.Random(seed).sample(list(files), len(files) if most is None else min(most, len(files)))


def _arrays(file: Path) -> dict[str, Tensor]:
    try:
        found = load_file(file) if file.suffix.lower() == ".safetensors" else _npz(file)
    except (OSError, ValueError, TypeError, EOFError, zlib.error, SafetensorError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file} cannot be read: {error}", "write it anew, without pickled objects: arrays of numbers"
        ) from error
    counts = {len(value) if value.ndim else 0 for value in found.values()}
    if len(counts) != 1 or counts == {0}:
        raise InputError(
            f"the arrays in {file} are not of equally many rows", "give each input of the model, rows along axis 0"
        )
    return found


def _npz(file: Path) -> dict[str, Tensor]:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
