"""Which axes of the inputs are dynamic, by name: axes of one name are of one size, and change together."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tests.zoo.sizes import BATCH

TOKENS = ("input_ids", "attention_mask", "bbox", "token_type_ids", "position_ids")
DECODER = ("decoder_input_ids", "decoder_attention_mask")
SOUND = {"input_features": "frames", "input_values": "samples"}

AxisNames = dict[str, dict[int, str]]


def dynamic_axes(inputs: Mapping[str, Tensor]) -> AxisNames:
    """Of every input the first axis, and of text and sound the one that time runs along."""
    return {name: _axes(name, tensor, inputs) for name, tensor in inputs.items()}


def _axes(name: str, tensor: Tensor, inputs: Mapping[str, Tensor]) -> dict[int, str]:
    axes: dict[int, str] = {}
    if tensor.dim():
        axes[0] = "batch" if tensor.shape[0] == BATCH else f"{name} rows"
    if tensor.dim() < 2:
        return axes
    if name in SOUND:
        axes[_time(name, tensor)] = SOUND[name]
    elif name in DECODER:
        axes[1] = "decoder_sequence"
    elif name in TOKENS:
        axes[1] = "sequence" if "input_ids" in inputs else _sound_of(tensor, inputs)
    return axes


def _time(name: str, tensor: Tensor) -> int:
    """Spectra are longer than they are high, unless the mel bins come last."""
    return 2 if name == "input_features" and tensor.dim() == 3 and tensor.shape[-1] > tensor.shape[1] else 1


def _sound_of(mask: Tensor, inputs: Mapping[str, Tensor]) -> str:
    """The axis that a mask without text belongs to."""
    for name, called in SOUND.items():
        if name in inputs and inputs[name].shape[_time(name, inputs[name])] == mask.shape[1]:
            return called
    return "sequence"
