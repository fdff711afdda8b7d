"""Images: how large a model's preprocessor makes them, and how files of them become the model's inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor

from prunec.destination import PREPROCESSOR, PROCESSOR
from prunec.errors import InputError
from prunec.frontends.diagnosis import first_line
from prunec.frontends.feed import Feed
from prunec.frontends.loaded import ImageReader
from prunec.frontends.trace import quiet

IMAGES = "pixel_values"
"""What transformers calls images."""


def image_size(folder: Path) -> tuple[int, int] | None:
    """Height and width of the images that the preprocessor in `folder` makes; None where it does not say."""
    settings = _settings(folder)
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    size = crop if crop is not None else settings.get("size")
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    return (height, width) if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0 else None


def image_rows(feed: Feed, size: tuple[int, int] | None) -> dict[str, tuple[int, ...]]:
    """The shape of an image of `size` by the name of its input; empty where there are no images, or is no size."""
    images = feed.arguments.get(IMAGES)
    return {IMAGES: (*images.shape[1:-2], *size)} if size is not None and isinstance(images, Tensor) else {}


def image_reader(folder: Path) -> ImageReader | None:
    """Reads image files as the preprocessor in `folder` does; None where there is none."""
    return partial(_read, folder) if _settings(folder) else None


def _settings(folder: Path) -> Mapping[str, Any]:
    """What a preprocessor's file says of images; nothing where there is none, or none that can be read."""
    for name, part in ((PREPROCESSOR, None), (PROCESSOR, "image_processor")):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        settings = found.get(part) if part and isinstance(found, dict) else found
        if isinstance(settings, dict):
            return settings
    return {}


def _read(folder: Path, files: Sequence[Path]) -> list[Mapping[str, Tensor]]:
    """One batch a file, of one row, in the order of `files`.

    Raises:
        InputError: Pillow is missing, or the preprocessor or a file cannot be used.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise InputError("to read images prunec needs Pillow", "pip install 'prunec[vision]'") from error
    try:
        with quiet():
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
    except Exception as error:  # Whatever broken settings make it raise.
        raise InputError(
            f"the preprocessor in {folder} cannot be used: {first_line(error)}",
            f"check {PREPROCESSOR}, or give the model's inputs as .npz",
        ) from error
    batches: list[Mapping[str, Tensor]] = []
    for file in files:
        try:
            with Image.open(file) as image:
                found = processor(image.convert("RGB"), return_tensors="pt")
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InputError(f"the image {file} cannot be read: {first_line(error)}", "mend or remove it") from error
        batches.append({name: value for name, value in found.items() if isinstance(value, Tensor)})
    return batches
