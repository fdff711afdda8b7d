"""What stays of a fine-tuning as a file: safetensors, positions and values a tensor, all else in its metadata.

Of each tensor that both models have, `gaps:NAME` or `bits:NAME` are positions (`positions.packed`) and `values:NAME`
what stands there; `whole:NAME` is a tensor that the tuned model alone has, `file:NAME` a file of its folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunec.calibration.checkpoint import save_tensors
from prunec.calibration.hashes import tensors_hash
from prunec.calibration.kendelta import KenDelta, Patch
from prunec.calibration.positions import packed, unpacked
from prunec.calibration.rowrule import RowRule
from prunec.destination import CONFIG, COPIED
from prunec.errors import InputError
from prunec.files import atomic_path

SUFFIXES = (".ken", ".safetensors")
_FORMAT, _VERSION = "prunec ken", 1
_AGAIN = "make it again with prunec ken TUNED --base BASE -o FILE"
_VALUES, _WHOLE, _FILE, _GAPS, _BITS = "values:", "whole:", "file:", "gaps:", "bits:"


def save_delta(delta: KenDelta, path: Path) -> None:
    """Write `delta` at `path`, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    tensors = {_WHOLE + name: tensor.contiguous() for name, tensor in delta.whole.items()}
    for name, patch in delta.patches.items():
        form, stored = packed(patch.positions, patch.size)
        tensors |= {f"{form}:{name}": torch.from_numpy(stored), _VALUES + name: patch.values}
    others = {name: content for name, content in delta.files.items() if name != CONFIG}
    tensors |= {
        _FILE + name: torch.from_numpy(np.frombuffer(bytearray(content), np.uint8)) for name, content in others.items()
    }
    about = {
        "mode": delta.rule.mode,
        "keep": delta.rule.keep,
        "rows": delta.rule.rows,
        "base": delta.base,
        "source": delta.source,
        "tensors": {name: [delta.names[name], list(patch.shape)] for name, patch in delta.patches.items()},
    }
    metadata = {
        "format": f"{_FORMAT} {_VERSION}",
        "about": json.dumps(about),
        "config": delta.files[CONFIG].decode(),
        "content": tensors_hash([tensors]),
    }
    with atomic_path(path) as staged:
        save_tensors(tensors, staged, metadata)


def load_delta(path: Path) -> KenDelta:
    """What `save_delta` wrote at `path`.

    Raises:
        InputError: there is no such file, or it holds something else, is of a newer prunec or damaged.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", "write one with prunec ken TUNED --base BASE -o FILE")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _require_version(metadata.get("format", ""), path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error})", _AGAIN) from error
    try:
        if metadata["content"] != tensors_hash([tensors]):
            raise ValueError("its content has changed")
        return _read(metadata, tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error.__class__.__name__}: {error})", _AGAIN) from error


def _require_version(text: str, path: Path) -> None:
    name, _, version = text.rpartition(" ")
    if name != _FORMAT or not version.isdigit():
        raise InputError(f"{path} holds no delta", "name a file that prunec ken wrote")
    if int(version) > _VERSION:
        raise InputError(f"{path} was written by a newer prunec", f"update prunec, or {_AGAIN}")


def _read(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> KenDelta:
    about = json.loads(metadata["about"])
    listed = about["tensors"].items()
    files = {name: stored.numpy().tobytes() for name, stored in _under(_FILE, tensors).items()}
    files[CONFIG] = metadata["config"].encode()
    foreign = files.keys() - {CONFIG, *COPIED}
    if foreign:
        raise ValueError(f"no file of a model's folder is called {min(foreign)}")
    return KenDelta(
        # Earlier files have a share beside the entries that stood in its place.
        rule=RowRule(about["mode"], None if about["rows"] else about["keep"], about["rows"]),
        base=about["base"],
        source=about["source"],
        names={name: place for name, (place, _) in listed},
        patches={name: _patch(name, tuple(shape), tensors) for name, (_, shape) in listed},
        whole=_under(_WHOLE, tensors),
        files=files,
    )


def _patch(name: str, shape: tuple[int, ...], tensors: Mapping[str, Tensor]) -> Patch:
    size, values = math.prod(shape), tensors[_VALUES + name]
    if _GAPS + name in tensors:
        positions = unpacked("gaps", tensors[_GAPS + name].numpy(), size)
    else:
        positions = unpacked("bits", tensors[_BITS + name].numpy(), size)
    if len(positions) != len(values):
        raise ValueError(f"{len(positions)} positions and {len(values)} values of {name}")
    return Patch(shape, positions, values)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
