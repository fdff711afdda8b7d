"""Checks on a Hugging Face directory that need nothing heavy imported."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunec.destination import TOKENIZER
from prunec.errors import InputError
from prunec.frontends.weights import tensor_names


@dataclass(frozen=True)
class ModelDirectory:
    """A directory that has passed the checks.

    Attributes:
        path: the directory.
        config: `config.json`.
        tensors: names of the tensors in the checkpoint.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: frozenset[str]

    @property
    def architecture(self) -> str | None:
        """The model class that the config names, if it names one."""
        return architecture(self.config)


def read_directory(path: Path | str) -> ModelDirectory:
    """Check `path` and read its config and the names of its tensors.

    Raises:
        InputError: there is no such directory, or its config or weights cannot be used.
    """
    directory = Path(path)
    config = read_config(directory)
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "unnamed method")
        raise InputError(
            f"the checkpoint in {directory} is quantised ({method})", "prune the unquantised model, then quantise"
        )
    return ModelDirectory(directory, config, tensor_names(directory))


def architecture(config: Mapping[str, Any]) -> str | None:
    """The model class that `config` names, if it names one."""
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else None


def has_tokenizer(directory: Path) -> bool:
    """Whether a tokenizer's files are in `directory`."""
    return any((directory / name).is_file() for name in TOKENIZER)


def _check_exists(directory: Path, given: str) -> None:
    if directory.is_dir():
        return
    if directory.is_file():
        raise InputError(f"{given} is a file, not a model directory", "give the directory that holds config.json")
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", given) and not directory.parent.is_dir():
        raise InputError(
            f"there is no directory {given}; it looks like a hub id, and prunec reads local directories",
            f"download it first: hf download {given} --local-dir {Path(given).name}",
        )
    raise InputError(f"there is no directory {given}", "give a local Hugging Face model directory")


def read_config(directory: Path) -> dict[str, Any]:
    """The `config.json` in `directory`.

    Raises:
        InputError: there is no such directory, or its config cannot be used.
    """
    _check_exists(directory, str(directory))
    path = directory / "config.json"
    if not path.is_file():
        raise InputError(f"no config.json in {directory}", "give a Hugging Face model directory")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", "copy or download the file again") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise InputError(f"{path} has no model_type", "give the config.json that transformers saved with the model")
    return config
