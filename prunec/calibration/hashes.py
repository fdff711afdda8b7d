"""Hashes of what a kept result depends on: tensors by what is in them, and programs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from prunec.ir.program import Program


def tensors_hash(groups: Iterable[Mapping[str, Tensor]]) -> str:
    """sha256 over the names, types, shapes and values of every tensor, in order of the groups and of their names."""
    digest = hashlib.sha256()
    for group in groups:
        for name in sorted(group):
            value = group[name].detach().contiguous()
            digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}".encode())
            if value.numel():
                # Flat: a tensor of no axes cannot be seen as bytes.
                digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def content_hash(program: Program) -> str:
    """A hash of the graph and of every number in its tensors: the same from run to run."""
    return hashlib.sha256(f"{program.text()} {tensors_hash([program.tensors()])}".encode()).hexdigest()
