"""What safetensors files say about themselves: names and lengths, checked before anything is loaded."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from prunec.destination import WEIGHTS
from prunec.errors import InputError

INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_AGAIN = "copy or download the file again"


def tensor_names(directory: Path) -> frozenset[str]:
    """Names of the tensors in the checkpoint of `directory`, after checking every file of it.

    Raises:
        InputError: weights are missing, in another format, truncated or corrupt.
    """
    if (directory / WEIGHTS).is_file():
        return _file_names(directory / WEIGHTS)
    if (directory / INDEX).is_file():
        return _shard_names(directory / INDEX)
    _explain_missing(directory)
    raise InputError(f"no weights in {directory}", f"put {WEIGHTS} (or {INDEX} and its shards) there")


def _explain_missing(directory: Path) -> None:
    if (directory / "adapter_model.safetensors").is_file():
        raise InputError(
            f"{directory} holds an adapter, not a model", "merge it into its base model (peft: merge_and_unload) first"
        )
    pickles = sorted(path.name for path in directory.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise InputError(
            f"the weights in {directory} are not safetensors but {pickles[0]}, which is never unpickled",
            "where you trust the file, convert it: load it with transformers and call save_pretrained",
        )


def _shard_names(index: Path) -> frozenset[str]:
    try:
        listed: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = {shard: index.parent / shard for shard in sorted(set(listed.values()))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} is not a shard index ({error.__class__.__name__})", _AGAIN) from error
    names: dict[str, frozenset[str]] = {}
    for shard, path in shards.items():
        if not path.is_file():
            raise InputError(f"{index} lists the shard {shard}, which is not there", _AGAIN)
        names[shard] = _file_names(path)
    for name, shard in listed.items():
        if name not in names[shard]:
            raise InputError(f"{index} says that {name} is in {shard}, which does not hold it", _AGAIN)
    return frozenset(listed)


def _file_names(path: Path) -> frozenset[str]:
    """The tensors of one file: an 8-byte header length, a JSON header, then data up to the last offset."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            header = file.read(length) if length <= size - 8 else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    if not header:
        raise InputError(f"{path} is truncated or not a safetensors file ({size} bytes)", _AGAIN)
    try:
        entries: dict[str, dict[str, list[int]]] = json.loads(header)
        entries.pop("__metadata__", None)
        end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path} has a corrupt safetensors header", _AGAIN) from error
    if size != end:
        state = "truncated" if size < end else "corrupt"
        raise InputError(f"{path} is {state}: {size} bytes where its header says {end}", _AGAIN)
    if not entries:
        raise InputError(f"{path} holds no tensors", _AGAIN)
    return frozenset(entries)
