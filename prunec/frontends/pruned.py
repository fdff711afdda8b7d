"""`prunec.json`: what makes a folder a pruned checkpoint. It says what is gone from the model that its config names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import prunec
from prunec.cost.artifact import check_version
from prunec.destination import REMOVED
from prunec.errors import InputError
from prunec.ir.program import Input
from prunec.ir.removed import Removed

OWN = "prunec"
"""The entry of a config that is prunec's, and says nothing that a model is built by."""
_FORMAT, _VERSION = "prunec checkpoint", 1
AGAIN = "write the folder again with --emit hf"


@dataclass(frozen=True)
class Pruned:
    """What is in the file.

    Attributes:
        config: hash of the config beside it, of the model before anything went.
        task: what the model is for.
        removed: what went.
        inputs: name, type and named axes of each input, as the file has them.
        outputs: names of the outputs.
        sizes: of named axes that the model fixes when it is traced.
        rows: the shape of a row of inputs that are no tokens, by name, such as sounds of so many samples.
        stock: whether transformers loads the folder by itself; `why` not, where it does not.
    """

    config: str
    task: str
    removed: Removed
    inputs: tuple[tuple[str, str, Mapping[str, str]], ...]
    outputs: tuple[str, ...]
    sizes: Mapping[str, int]
    stock: bool
    why: str = ""
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Put the file into `folder`; raises OSError."""
        plain = {
            "format": f"{_FORMAT} {_VERSION}",
            "prunec": prunec.__version__,
            "config": self.config,
            "task": self.task,
            "loads_with_from_pretrained": self.stock,
            "why_not": self.why,
            "inputs": [{"name": name, "dtype": dtype, "axes": axes} for name, dtype, axes in self.inputs],
            "outputs": list(self.outputs),
            "sizes": dict(self.sizes),
            "rows": dict(self.rows),
            "removed": _plain(self.removed),
        }
        (folder / REMOVED).write_text(json.dumps(plain, ensure_ascii=False) + "\n", encoding="utf-8")


def read_pruned(folder: Path, config: Mapping[str, Any]) -> Pruned | None:
    """What the file in `folder` says; None where there is none, and the folder holds a model as ever.

    Args:
        folder: of a model.
        config: what its `config.json` says.

    Raises:
        InputError: the file is damaged, a newer prunec wrote it, or the config is another one.
    """
    path = folder / REMOVED
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        name, _, version = str(said["format"]).rpartition(" ")
        if name != _FORMAT or not version.isdigit():
            raise InputError(f"{path} does not describe a pruned checkpoint", AGAIN)
        check_version(path, said["prunec"])
        if int(version) > _VERSION:
            raise InputError(f"{path} was written by a newer prunec", f"update prunec, or {AGAIN}")
        found = _read(said)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error})", AGAIN) from error
    if found.config != config_hash(config):
        raise InputError(
            f"{folder / 'config.json'} is not the one that {REMOVED} was written with", f"put it back, or {AGAIN}"
        )
    return found


def config_hash(config: Mapping[str, Any]) -> str:
    """A hash of what a config says, apart from what is prunec's own in it."""
    said = {name: value for name, value in config.items() if name != OWN}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def plain_inputs(inputs: tuple[Input, ...]) -> tuple[tuple[str, str, Mapping[str, str]], ...]:
    """Inputs as the file has them."""
    return tuple((item.name, str(item.dtype), {str(axis): name for axis, name in item.axes.items()}) for item in inputs)


def _read(said: Mapping[str, Any]) -> Pruned:
    return Pruned(
        config=str(said["config"]),
        task=str(said["task"]),
        removed=_removed(said["removed"]),
        inputs=tuple((item["name"], item["dtype"], dict(item["axes"])) for item in said["inputs"]),
        outputs=tuple(said["outputs"]),
        sizes={name: int(size) for name, size in said["sizes"].items()},
        stock=bool(said["loads_with_from_pretrained"]),
        why=str(said["why_not"]),
        rows={name: tuple(map(int, shape)) for name, shape in said.get("rows", {}).items()},
    )


def _plain(removed: Removed) -> dict[str, object]:
    """Places that lose the same indices, such as those of a gate and its partner, share one list."""
    shared: dict[tuple[int, ...], list[tuple[str, int]]] = {}
    for place, indices in removed.cuts.items():
        shared.setdefault(tuple(indices.tolist()), []).append(place)
    return {
        "sublayers": list(removed.sublayers),
        "cuts": [{"places": places, "indices": indices} for indices, places in shared.items()],
        "biases": dict(removed.biases),
    }


def _removed(plain: Mapping[str, Any]) -> Removed:
    cuts = {
        (str(name), int(dim)): np.array(sorted(map(int, cut["indices"])), dtype=np.int64)
        for cut in plain["cuts"]
        for name, dim in cut["places"]
    }
    return Removed(cuts, tuple(map(str, plain["sublayers"])), dict(plain["biases"]))
