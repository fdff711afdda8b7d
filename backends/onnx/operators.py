"""Operators in ONNX that torch's library lacks, or has for some calls only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from onnxscript import onnx_opset

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass


def batch_norm(
    value: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    fast: bool,
) -> Any:
    """`batch_norm`: by the statistics given, or in training by those of `value` itself, `[batch, channels, ...]`."""
    channels = op.Shape(value, start=1, end=2)
    weight = op.Expand(op.CastLike(1.0, value), channels) if weight is None else weight
    bias = op.Expand(op.CastLike(0.0, value), channels) if bias is None else bias
    if not training and mean is not None:
        return op.BatchNormalization(value, weight, bias, mean, variance, epsilon=eps)
    rank = len(value.shape)
    axes = op.Constant(value_ints=[axis for axis in range(rank) if axis != 1])
    apart = op.Sub(value, op.ReduceMean(value, axes))
    spread = op.Sqrt(op.Add(op.ReduceMean(op.Mul(apart, apart), axes), op.CastLike(eps, value)))
    along = op.Constant(value_ints=[1, -1] + [1] * (rank - 2))
    return op.Add(op.Mul(op.Div(apart, spread), op.Reshape(weight, along)), op.Reshape(bias, along))


def batch_norm_in_use(
    value: Any, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> tuple[Any, Any, Any]:
    """`_native_batch_norm_legit_no_training`; what it saves for training is empty."""
    result = batch_norm(value, weight, bias, mean, variance, False, momentum, eps, False)
    return result, op.Constant(value_floats=[]), op.Constant(value_floats=[])


def count(value: Any) -> Any:
    """`sym_numel`: of the elements."""
    return op.Size(value)


def sort_stable(value: Any, *, stable: bool, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    """`sort.stable`: equal values keep their order, as `TopK` leaves them in any case."""
    length = op.Shape(value, start=dim % len(value.shape), end=dim % len(value.shape) + 1)
    values, places = op.TopK(value, length, axis=dim, largest=int(descending), sorted=1)
    return values, places


TRANSLATIONS: Mapping[Any, Any] = {
    torch.ops.aten.batch_norm.default: batch_norm,
    torch.ops.aten._native_batch_norm_legit_no_training.default: batch_norm_in_use,
    torch.ops.aten.sym_numel.default: count,
    torch.ops.aten.sort.stable: sort_stable,
}
