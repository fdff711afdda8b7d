"""Weights that are missing, pickled, truncated or corrupt are told apart."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from prunec.destination import WEIGHTS
from prunec.errors import InputError
from prunec.frontends.weights import INDEX, tensor_names


def write_shards(directory: Path) -> None:
    save_file({"a": torch.zeros(2)}, directory / "one.safetensors")
    save_file({"b": torch.zeros(3)}, directory / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (directory / INDEX).write_text(json.dumps(index))


def test_names_of_a_single_file(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2), "b": torch.zeros(0)}, tmp_path / WEIGHTS, metadata={"format": "pt"})
    assert tensor_names(tmp_path) == {"a", "b"}


def test_names_of_shards(tmp_path: Path) -> None:
    write_shards(tmp_path)
    assert tensor_names(tmp_path) == {"a", "b"}


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights in"):
        tensor_names(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt"])
def test_pickles_are_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not even a pickle")
    with pytest.raises(InputError, match=rf"{name}, which is never unpickled.*save_pretrained"):
        tensor_names(tmp_path)


def test_an_adapter_is_not_a_model(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(InputError, match="holds an adapter"):
        tensor_names(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 40, -4])
def test_a_truncated_file(tmp_path: Path, kept: int) -> None:
    path = tmp_path / WEIGHTS
    save_file({"a": torch.zeros(20)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is truncated"):
        tensor_names(tmp_path)


def test_bytes_too_many(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    save_file({"a": torch.zeros(20)}, path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match="is corrupt"):
        tensor_names(tmp_path)


@pytest.mark.parametrize("header", [b"not json", b"[1]", b'{"a": {}}', b'{"a": {"data_offsets": ["x", "y"]}}'])
def test_a_corrupt_header(tmp_path: Path, header: bytes) -> None:
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="corrupt safetensors header"):
        tensor_names(tmp_path)


def test_a_file_without_tensors(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", 2) + b"{}")
    with pytest.raises(InputError, match="holds no tensors"):
        tensor_names(tmp_path)


def test_a_missing_shard(tmp_path: Path) -> None:
    write_shards(tmp_path)
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(InputError, match=r"lists the shard two\.safetensors, which is not there"):
        tensor_names(tmp_path)


def test_a_shard_without_its_tensor(tmp_path: Path) -> None:
    write_shards(tmp_path)
    save_file({"c": torch.zeros(3)}, tmp_path / "two.safetensors")
    with pytest.raises(InputError, match=r"says that b is in two\.safetensors"):
        tensor_names(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"weight_map": 3}'])
def test_a_broken_index(tmp_path: Path, content: str) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(InputError, match="is not a shard index"):
        tensor_names(tmp_path)
