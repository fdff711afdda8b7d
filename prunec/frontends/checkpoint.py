"""Writing a slim program as a checkpoint: weights under the model's own names, its config, and what went from it.

Where the sizes that are left can be said in the config, transformers loads the folder like any other. Either way the
folder is loaded again, and what it computes is compared with the program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunec.calibration.checkpoint import Checkpoint, counterpart, save_tensors
from prunec.calibration.inputs import row_shapes
from prunec.destination import CONFIG, WEIGHTS, copy_data
from prunec.errors import InputError, PrunecError, VerificationError
from prunec.files import explained
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.pruned import OWN, Pruned, config_hash, plain_inputs, read_pruned
from prunec.frontends.stock import StockConfig
from prunec.ir.program import Program
from prunec.ir.removed import Cuts, Removed
from prunec.ir.sizes import other_sizes

TOLERANCE = 1e-5
"""Largest difference of an output, loaded by prunec, over the largest output (or 1)."""
STOCK_TOLERANCE = 1e-4
"""The same where transformers' own code computes it."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        stock: whether transformers' `from_pretrained` loads it; `why` not, where it does not.
        error: largest difference of an output from the slim program, over the largest output (or 1).
        tolerance: what was allowed.
        size: of the weights, in bytes.
    """

    stock: bool
    why: str
    error: float
    tolerance: float
    size: int


@dataclass(frozen=True)
class _Contents:
    """What goes into a folder besides the tokenizer."""

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    pruned: Pruned

    def write(self, folder: Path) -> None:
        try:
            text = json.dumps(self.config, indent=2, ensure_ascii=False)
            (folder / CONFIG).write_text(f"{text}\n", encoding="utf-8")
            save_tensors(self.tensors, folder / WEIGHTS)
            self.pruned.write(folder)
        except OSError as error:
            raise explained(error, folder) from error


def write_checkpoint(folder: Path, loaded: Loaded, slim: Program, cuts: Cuts, sublayers: tuple[str, ...]) -> Written:
    """Put a checkpoint of `slim` into `folder`, load it again and compare.

    Args:
        folder: exists, and holds nothing of the same names.
        loaded: the model that `slim` was made from; a pruned one, too.
        slim: what is left of it.
        cuts: the indices that went from its tensors.
        sublayers: names of its branches that were bypassed.

    Raises:
        InputError: the model did not come from a folder, needs code of its own, or the folder cannot be written.
        VerificationError: what is loaded again computes something else.
    """
    source, config = require_folder(loaded)
    try:
        copy_data(source, folder)
    except OSError as error:
        raise explained(error, folder) from error
    base = read_pruned(source, config)
    gone = Removed.between(loaded.program, slim, cuts, sublayers)
    gone = (base.removed if base else Removed()).then(gone).within(set(slim.tensor_names()))
    tensors = _spare(loaded, source) | _own(loaded, slim, gone)
    why = _written_for_stock(folder, loaded, slim, tensors)
    if isinstance(why, Written):
        return why
    entries = _entries(loaded, {name: value for name, value in config.items() if name != OWN})
    _Contents(entries, tensors, _described(loaded, slim, entries, gone, why)).write(folder)
    difference, wrong = _loaded_difference(folder, slim)
    if wrong or not difference <= TOLERANCE:
        raise VerificationError(
            f"the checkpoint cannot be loaded again as it was: {wrong or f'it differs by {difference:.2g}'}",
            "this is a fault of prunec: please report the model and the pipeline",
        )
    return Written(False, why, difference, TOLERANCE, (folder / WEIGHTS).stat().st_size)


def _written_for_stock(folder: Path, loaded: Loaded, slim: Program, tensors: Mapping[str, Tensor]) -> Written | str:
    """Put a checkpoint into `folder` that transformers loads; or why there is none."""
    found = _found(loaded, slim)
    if isinstance(found, str):
        return found
    renamed = {found.names[name]: tensor for name, tensor in tensors.items() if name in found.names}
    entries = _entries(loaded, found.config)
    _Contents(entries, renamed, _described(loaded, slim, entries, Removed(), "")).write(folder)
    difference, wrong = _loaded_difference(folder, slim)
    if wrong or not difference <= STOCK_TOLERANCE:
        return wrong or f"what transformers loads differs by {difference:.2g}"
    return Written(True, "", difference, STOCK_TOLERANCE, (folder / WEIGHTS).stat().st_size)


def stock_config(loaded: Loaded, slim: Program) -> Mapping[str, Any] | None:
    """The config of a model with the sizes of `slim`; None where no config says them."""
    found = _found(loaded, slim)
    return None if isinstance(found, str) else _as_read(found.config)


def _found(loaded: Loaded, slim: Program) -> StockConfig | str:
    if loaded.stock is None:
        return "the model's config is not one of transformers' own"
    return loaded.stock.find({name: tuple(tensor.shape) for name, tensor in slim.tensors().items()})


def require_folder(loaded: Loaded) -> tuple[Path, Mapping[str, Any]]:
    """The folder that a model came from, and its config.

    Raises:
        InputError: it came from none, or runs code that lies there.
    """
    origin = loaded.program.provenance
    if not (Path(origin.source) / CONFIG).is_file():
        raise InputError(
            "a checkpoint needs the folder of the model", "save it with save_pretrained and name the folder"
        )
    if loaded.stock is None:
        raise InputError(
            f"{origin.source} runs code of its own, which a checkpoint does not take along", "leave out --emit hf"
        )
    return Path(origin.source), origin.config


def _own(loaded: Loaded, slim: Program, gone: Removed) -> dict[str, Tensor]:
    """The slim tensors that a checkpoint of the model has, and new biases; the model computes the others itself."""
    assert loaded.stock is not None
    stored = {*loaded.stock.state, *gone.biases.values()}
    return {name: tensor.detach().contiguous() for name, tensor in slim.tensors().items() if name in stored}


def _spare(loaded: Loaded, source: Path) -> dict[str, Tensor]:
    """What the folder has besides, such as a pooler that the task does not read, as the loaded class calls it."""
    assert loaded.stock is not None
    shapes, stored = loaded.stock.spare(), Checkpoint.of(source)
    places = {name: counterpart(name, stored) for name in shapes}
    found = {name: stored[place] for name, place in places.items() if place is not None}
    return {name: tensor for name, tensor in found.items() if tuple(tensor.shape) == shapes[name]}


def _described(loaded: Loaded, slim: Program, config: Mapping[str, Any], gone: Removed, why: str) -> Pruned:
    handed_on = {pair.present for pair in slim.caches}
    return Pruned(
        config=config_hash(config),
        task=loaded.task.name,
        removed=gone,
        inputs=plain_inputs(tuple(item for item in slim.asked if item.name != slim.positions)),
        outputs=tuple(name for name in slim.outputs if name not in handed_on),
        sizes=slim.fixed,
        stock=not why,
        why=why,
        rows=row_shapes({item.name: slim.example[item.name] for item in slim.asked}),
    )


def _loaded_difference(folder: Path, slim: Program) -> tuple[float, str]:
    """How far what is loaded from `folder` is from `slim`, on other sizes than were traced; or why it cannot be."""
    try:
        again = load(folder).program
    except PrunecError as error:
        return float("inf"), error.what
    inputs = other_sizes(again)
    with torch.no_grad():
        found, expected = again(inputs), slim(inputs)
    scale = max(1.0, *(float(expected[name].abs().max()) for name in found))
    return max(float((found[name] - expected[name]).abs().max()) / scale for name in found), ""


def _in_float32(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with the type in which slim weights are written, also for the parts of a model."""
    entries = {
        name: _in_float32(value) if isinstance(value, Mapping) and _has_type(value) else value
        for name, value in config.items()
        if name != "torch_dtype"
    }
    return {**entries, "dtype": "float32"}


def _entries(loaded: Loaded, config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` as it is written: it names the class whose tensors they are, which a task may have chosen."""
    assert loaded.stock is not None
    return {**_as_read(config), "architectures": [loaded.stock.loader.__name__]}


def _as_read(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` for weights in float32, as it is when it is read from its file again: names are text."""
    found: dict[str, Any] = json.loads(json.dumps(_in_float32(config)))
    return found


def _has_type(config: Mapping[str, Any]) -> bool:
    return "dtype" in config or "torch_dtype" in config
