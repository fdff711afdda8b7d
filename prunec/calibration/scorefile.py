"""Scores as files: safetensors, a tensor a family and a number a sublayer; criterion, text and unit as metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from prunec.calibration.checkpoint import save_tensors
from prunec.errors import InputError
from prunec.facts import Scores, Structure
from prunec.files import atomic_path

SUFFIX = ".safetensors"
_FORMAT = "prunec scores 1"
_SUBLAYER, _UNDONE = "sublayer:", "undone:"
"""Before the names of sublayers, since a family may have the same; a file without them scores units alone."""


def save_scores(scores: Scores, path: Path) -> None:
    """Write `scores` at `path`, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    tensors = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in scores.units.items()}
    for prefix, figures in ((_SUBLAYER, scores.sublayers), (_UNDONE, scores.undone)):
        tensors |= {prefix + name: np.array(value, dtype=np.float64) for name, value in figures.items()}
    metadata = {
        "format": _FORMAT,
        "criterion": scores.criterion,
        "data_hash": scores.data_hash,
        "unit": scores.unit,
    }
    with atomic_path(path) as staged:
        save_tensors({name: torch.tensor(values) for name, values in tensors.items()}, staged, metadata)


def load_scores(path: Path) -> Scores:
    """The scores that `save_scores` wrote at `path`.

    Raises:
        InputError: there is no such file, or it holds no scores.
    """
    if not path.is_file():
        raise InputError(f"there is no file of scores at {path}", "write one with prunec score MODEL -o FILE")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error})", "name a file that prunec score wrote") from error
    if metadata.get("format") != _FORMAT:
        raise InputError(f"{path} holds no scores", "name a file that prunec score wrote")
    sublayers, undone = _figures(tensors, _SUBLAYER), _figures(tensors, _UNDONE)
    units = {name: values for name, values in tensors.items() if not name.startswith((_SUBLAYER, _UNDONE))}
    return Scores(metadata["criterion"], metadata["data_hash"], units, sublayers, metadata.get("unit", ""), undone)


def _figures(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, float]:
    named = ((name.removeprefix(prefix), values) for name, values in tensors.items() if name.startswith(prefix))
    return {name: float(values) for name, values in named}


def require_fit(scores: Scores, structure: Structure, path: Path) -> None:
    """Make sure that `scores` are of the units and sublayers that `structure` has.

    Raises:
        InputError: a family or sublayer is missing, or a family has another number of units; it is named.
    """
    for sublayer in structure.sublayers if scores.sublayers else ():
        if not np.isfinite(scores.sublayers.get(sublayer.name, np.nan)):
            raise InputError(f"{path} holds no finite score of {sublayer.name}", "score this model again")
    for family in structure.families if scores.units or not scores.sublayers else ():
        values = scores.units.get(family.name)
        if values is None or values.shape != (family.units,):
            held = "no scores" if values is None else f"{values.size} scores"
            raise InputError(
                f"{path} holds {held} for the {family.units} units of {family.name}",
                "score this model, and the units that this pipeline looks for",
            )
        if not np.isfinite(values).all():
            raise InputError(f"{path} holds scores of {family.name} that are not finite", "write the file anew")
