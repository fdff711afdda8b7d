"""A model without its weights: built from its config, cut as its checkpoint was, given the weights that are left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from prunec.destination import REMOVED
from prunec.errors import InputError, PassError
from prunec.frontends.diagnosis import first_line
from prunec.frontends.pruned import AGAIN, Pruned
from prunec.frontends.trace import quiet
from prunec.ir.program import Program, build_module


def skeleton(config: PreTrainedConfig, loader: Any, device: str = "cpu") -> PreTrainedModel:
    """A model of the class `loader`, in float32 and evaluation mode; what its parameters hold is not settled.

    Tables that the class computes itself are right, except on the device meta.

    Raises:
        InputError: the class cannot be built from the config.
    """
    build = getattr(loader, "_from_config", None) or loader.from_config
    try:
        with quiet(), torch.device(device), no_init_weights():
            model: PreTrainedModel = build(config, dtype=torch.float32)
            model.tie_weights()
    except Exception as error:  # Whatever a broken config makes the model's constructor raise.
        raise InputError(
            f"the model cannot be built from its config: {first_line(error)}", "check config.json"
        ) from error
    model.eval()
    return model


def revived(dense: Program, pruned: Pruned, stored: Mapping[str, Tensor], folder: Path) -> Program:
    """The slim program of a checkpoint.

    Args:
        dense: traced from a skeleton.
        pruned: what went from it.
        stored: the tensors in `folder`, by name.
        folder: of the checkpoint, for errors.

    Raises:
        InputError: what went, or a tensor, does not fit the model.
    """
    try:
        slim = pruned.removed.carried_out(_without_numbers(dense))
    except PassError as error:
        raise InputError(f"{folder / REMOVED} does not fit the model: {error.what}", AGAIN) from error
    tensors: dict[str, Tensor] = {}
    for name, tensor in slim.tensors().items():
        value = stored.get(name)
        if value is not None and value.shape != tensor.shape:
            raise InputError(
                f"{name} in {folder} is {list(value.shape)} where {REMOVED} leaves {list(tensor.shape)}", AGAIN
            )
        if value is None and tensor.is_meta:
            raise InputError(f"the weights in {folder} lack {name}", AGAIN)
        tensors[name] = tensor if value is None else _like(tensor, value)
    return _with_caches(slim.with_module(build_module(slim.graph, tensors)))


def _without_numbers(program: Program) -> Program:
    """`program` with parameters on the device meta; what is computed from the config keeps its numbers."""
    empty: dict[int, Tensor] = {}
    for tensor in program.tensors().values():
        if isinstance(tensor, nn.Parameter):
            empty[id(tensor)] = nn.Parameter(torch.empty_like(tensor, device="meta"), requires_grad=False)
    tensors = {name: empty.get(id(tensor), tensor) for name, tensor in program.tensors().items()}
    return program.with_module(build_module(program.graph, tensors))


def _like(tensor: Tensor, value: Tensor) -> Tensor:
    value = value.to(tensor.dtype)
    return nn.Parameter(value, requires_grad=False) if isinstance(tensor, nn.Parameter) else value


def _with_caches(program: Program) -> Program:
    """With ordinary numbers in the example of a cache, which a skeleton filled."""
    draw = torch.Generator().manual_seed(0)
    shapes = {pair.past: program.example[pair.past].shape for pair in program.caches}
    caches = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    return replace(program, example={**program.example, **caches})
