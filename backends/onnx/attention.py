"""Attention in ONNX operators, equal to PyTorch's also where a position may attend to nothing.

torch's library has it too: with more operators, and uneven where a boolean mask leaves a row empty (PyTorch then
answers zero, that translation the mean of the values).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import onnx_opset

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass

LOWEST = float(torch.finfo(torch.float16).min)
"""Added to what must not be attended to: far below any score, and finite in every float type."""


def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """`scaled_dot_product_attention`: `[batch, heads, positions, head size]` each, the mask boolean or additive."""
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        key, value = _repeat_heads(key, query), _repeat_heads(value, query)
    rank = len(query.shape)
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = op.MatMul(op.Mul(query, op.CastLike(factor, query)), turned)
    boolean = attn_mask is not None and attn_mask.dtype == ir.DataType.BOOL
    if is_causal:
        scores = op.Add(scores, _causal_mask(query, key))
    elif boolean:
        scores = op.Add(scores, op.Where(attn_mask, op.CastLike(0.0, query), op.CastLike(LOWEST, query)))
    elif attn_mask is not None:
        scores = op.Add(scores, attn_mask)
    result = op.MatMul(op.Softmax(scores, axis=-1), value)
    return op.Mul(result, _attends(attn_mask, query)) if boolean else result


def _attends(mask: Any, like: Any) -> Any:
    """1 for the positions that may attend to something, 0 for the others."""
    return op.ReduceMax(op.CastLike(mask, like), op.Constant(value_ints=[-1]), keepdims=1)


def _causal_mask(query: Any, key: Any) -> Any:
    """What makes each position blind to those after it: `[query positions, key positions]`."""
    sizes = op.Concat(op.Shape(query, start=-2, end=-1), op.Shape(key, start=-2, end=-1), axis=0)
    return op.Trilu(op.Expand(op.CastLike(LOWEST, query), sizes), op.Constant(value_int=1), upper=1)


def _repeat_heads(shared: Any, query: Any) -> Any:
    """Give each query head its own copy of the key or value head that it shares with its neighbours."""
    heads, copies = query.shape[-3], query.shape[-3] // shared.shape[-3]
    apart = op.Unsqueeze(shared, op.Constant(value_ints=[2]))
    many = op.Expand(apart, op.Constant(value_ints=[1, 1, copies, 1, 1]))
    return op.Reshape(many, op.Constant(value_ints=[0, heads, -1, shared.shape[-1]]))


TRANSLATIONS: Mapping[Any, Any] = {torch.ops.aten.scaled_dot_product_attention.default: attention}
