"""Rivals that work on ONNX files: onnxsim's structured pruning, and quantisation by ONNX Runtime's own tools."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

Feeds = list[dict[str, np.ndarray]]


def onnxsim_norm(path: Path, feeds: Feeds, share: float) -> onnx.ModelProto:
    """Channels, then heads, by the norms of weights."""
    import onnxsim

    pruned = onnxsim.apply_structured_pruning(onnx.load(path), sparsity=share)
    return smaller(path, onnxsim.apply_attention_head_pruning(pruned, sparsity=share))


def onnxsim_wanda(path: Path, feeds: Feeds, share: float) -> onnx.ModelProto:
    """The same, weighted by activations."""
    import onnxsim

    pruned = onnxsim.apply_structured_wanda_pruning(onnx.load(path), calibration_data=feeds, sparsity=share)
    return smaller(path, onnxsim.apply_attention_head_wanda_pruning(pruned, calibration_data=feeds, sparsity=share))


def onnxsim_blocks(path: Path, feeds: Feeds, share: float) -> onnx.ModelProto:
    """Whole residual branches."""
    import onnxsim

    pruned = onnxsim.apply_transformer_block_pruning(onnx.load(path), calibration_data=feeds, sparsity=share)
    return smaller(path, pruned)


def smaller(path: Path, pruned: onnx.ModelProto) -> onnx.ModelProto:
    """`pruned` without shapes that are no longer true; an error where nothing went, which these calls do not say."""
    before, after = (_numbers(model) for model in (onnx.load(path, load_external_data=False), pruned))
    if after == before:
        raise ValueError("onnxsim returned the model unchanged: it found nothing that it can prune in this file")
    del pruned.graph.value_info[:]
    return pruned


def _numbers(model: onnx.ModelProto) -> int:
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer)


def int8(path: Path, feeds: Feeds, share: float) -> onnx.ModelProto:
    """Dynamic quantisation: weights and activations in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    out = path.with_suffix(".int8")
    quantize_dynamic(path, out, per_channel=True, weight_type=QuantType.QInt8)
    try:
        return onnx.load(out)
    finally:
        out.unlink()


def int4(path: Path, feeds: Feeds, share: float) -> onnx.ModelProto:
    """Weights alone, in 4 bits."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer: Any = MatMulNBitsQuantizer(onnx.load(path), bits=4, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    model: onnx.ModelProto = quantizer.model.model
    return model


EDITORS: Mapping[str, tuple[str, Callable[[Path, Feeds, float], onnx.ModelProto]]] = {
    "onnxsim": ("torch", onnxsim_norm),
    "onnxsim-wanda": ("torch", onnxsim_wanda),
    "onnxsim-blocks": ("torch", onnxsim_blocks),
    "int8": ("prunec", int8),
    "int4": ("prunec", int4),
}
"""By rival, whose dense file it starts from, and what it does to it."""
