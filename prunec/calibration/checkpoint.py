"""The tensors of a folder's safetensors files by name, each read when it is asked for; written; never unpickled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunec.destination import WEIGHTS
from prunec.errors import InputError

_PLAIN = {"format": "pt"}
_REFUSED = re.compile(r"\(os error (\d+)\)")
NO_BASE = "name the folder of the model that this one was fine-tuned from"


@dataclass(frozen=True)
class Checkpoint(Mapping[str, Tensor]):
    """The tensors by name. What is read is the caller's own: changing it changes no file.

    Attributes:
        folder: where the files lie.
        places: the file of each tensor.
    """

    folder: Path
    places: Mapping[str, Path]

    @staticmethod
    def of(folder: Path) -> Checkpoint:
        """The tensors in the folder of a model; where one file holds them all, what lies beside it is something else.

        Raises:
            InputError: there are none, or a file cannot be read.
        """
        places: dict[str, Path] = {}
        single = folder / WEIGHTS
        for path in [single] if single.is_file() else sorted(folder.glob("*.safetensors")):
            try:
                with safe_open(path, framework="pt") as file:
                    places |= dict.fromkeys(file.keys(), path)
            except (SafetensorError, OSError) as error:
                raise InputError(f"{path} cannot be read ({error})", "copy or download the model again") from error
        if not places:
            raise InputError(f"there are no safetensors weights in {folder}", NO_BASE)
        return Checkpoint(folder, places)

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self.places[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] = _PLAIN) -> None:
    """Write `tensors` as the safetensors file `path`.

    Raises:
        OSError: it cannot be written, as where the disk is full.
    """
    try:
        save_file(dict(tensors), path, dict(metadata))
    except SafetensorError as error:  # whatever the system refuses it
        found = _REFUSED.search(str(error))
        raise (OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))) from error


def counterpart(name: str, names: Mapping[str, object]) -> str | None:
    """What `name` is called among `names`: the same, or the only one that has more or less in front of it."""
    if name in names:
        return name
    near = [other for other in names if other.endswith(f".{name}") or name.endswith(f".{other}")]
    return near[0] if len(near) == 1 else None


def require_shape(before: Tensor, after: Tensor, place: str, name: str) -> None:
    """Make sure that a base model's tensor and a tuned one have one shape.

    Raises:
        InputError: they have not; `place`, which says where the base's is, and `name` are in it.
    """
    if before.shape != after.shape:
        raise InputError(f"{place} is {list(before.shape)}, and {name} is {list(after.shape)}", NO_BASE)
