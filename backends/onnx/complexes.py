"""Operators on complex numbers that torch's library lacks: it keeps their two parts along a last axis of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from onnxscript import onnx_opset

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass
aten = torch.ops.aten


def unsqueeze(value: Any, dim: int) -> Any:
    """`unsqueeze`: a new axis, counted without that of the parts."""
    return op.Unsqueeze(value, op.Constant(value_ints=[dim % len(value.shape)]))


def select(value: Any, dim: int, index: Any) -> Any:
    """`select.int`: one place along an axis, which goes."""
    place = op.Constant(value_int=index) if isinstance(index, int) else index
    return op.Gather(value, place, axis=dim % (len(value.shape) - 1))


def reshape(value: Any, size: Sequence[Any]) -> Any:
    """`reshape` and `view`."""
    return op.Reshape(value, _sizes([*size, 2]))


def expand(value: Any, size: Sequence[Any], implicit: bool = False) -> Any:
    """`expand`; an axis that keeps its size is spread by 1."""
    kept = [1 if isinstance(item, int) and item == -1 else item for item in size]
    return op.Expand(value, _sizes([*kept, 2]))


def exp(value: Any) -> Any:
    """`exp`: the real part's turned by the imaginary one."""
    real, imaginary = op.Split(value, axis=-1, num_outputs=2)
    length = op.Exp(real)
    return op.Concat(op.Mul(length, op.Cos(imaginary)), op.Mul(length, op.Sin(imaginary)), axis=-1)


def _sizes(sizes: Sequence[Any]) -> Any:
    """Sizes, numbers or values of the graph, as one tensor."""
    one = op.Constant(value_ints=[1])
    parts = [op.Constant(value_ints=[item]) if isinstance(item, int) else op.Reshape(item, one) for item in sizes]
    return op.Concat(*parts, axis=0)


TRANSLATIONS: Mapping[Any, Any] = {
    aten.unsqueeze.default: unsqueeze,
    aten.select.int: select,
    aten.reshape.default: reshape,
    aten.view.default: reshape,
    aten.expand.default: expand,
    aten.exp.default: exp,
}
