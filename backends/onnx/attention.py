"""Attention in ONNX operators, equal to PyTorch's also where a position may attend to nothing.

torch's library has it too: with more operators, and uneven where a mask leaves a row empty (PyTorch then answers
zero, that translation the mean of the values, or no number).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnxscript import onnx_opset

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass

LOWEST = float(torch.finfo(torch.float16).min)
"""Added to what must not be attended to: far below any score, and finite in every float type."""

FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)
RANK = 4
"""Of queries, keys and values as a rule: `[batch, heads, positions, head size]`."""


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
    factor = op.CastLike(1 / math.sqrt(query.shape[-1]) if scale is None else scale, query)
    added, attends = masking(attn_mask, query)
    added = _causal_mask(query, key) if is_causal else added
    if not enable_gqa or query.shape[-3] == key.shape[-3]:
        return _attended(query, key, value, factor, added, attends, len(key.shape))
    if len(key.shape) == RANK and _alike(attn_mask):
        copies = query.shape[-3] // key.shape[-3]
        added, attends = (_again(rows, attn_mask, copies) for rows in (added, attends))
        return _by_group(query, key, value, factor, added, attends)
    key, value = _repeat_heads(key, query), _repeat_heads(value, query)
    return _attended(query, key, value, factor, added, attends, len(query.shape))


def _attended(query: Any, key: Any, value: Any, factor: Any, added: Any, attends: Any, rank: int) -> Any:
    """Attention among `[..., positions, head size]` of `rank` axes each."""
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    scores = op.MatMul(op.Mul(query, factor), turned)
    scores = scores if added is None else op.Add(scores, added)
    result = op.MatMul(op.Softmax(scores, axis=-1), value)
    return result if attends is None else op.Mul(result, attends)


def _by_group(query: Any, key: Any, value: Any, factor: Any, added: Any, attends: Any) -> Any:
    """Attention of heads that share keys and values: all rows of a group's heads at once, nothing is copied."""
    heads, groups = query.shape[-3], key.shape[-3]
    rows = op.Reshape(query, op.Constant(value_ints=[0, groups, -1, query.shape[-1]]))
    result = _attended(rows, key, value, factor, added, attends, RANK)
    return op.Reshape(result, op.Constant(value_ints=[0, heads, -1, value.shape[-1]]))


def _again(rows: Any, mask: Any, copies: int) -> Any:
    """Rows of a mask, or what comes of them, once for each head of a group; all layers share the result."""
    one_for_all = rows is None or (mask is not None and mask.shape[-2] == 1)
    return rows if one_for_all else op.Concat(*[rows] * copies, axis=-2)


def _alike(mask: Any) -> bool:
    """Whether a mask is the same for all heads."""
    return mask is None or len(mask.shape) < RANK - 1 or mask.shape[-3] == 1


def masking(mask: Any, like: Any) -> tuple[Any, Any]:
    """What a mask adds to the scores, finite; 1 for the positions that may attend to something, 0 for the others.

    Of no mask nothing, and of one that forbids nothing for sure no second.
    """
    boolean = mask is not None and mask.dtype == ir.DataType.BOOL
    if mask is None or not (boolean or _may_forbid(mask)):
        return mask, None
    allowed = mask if boolean else op.Greater(mask, op.CastLike(-math.inf, like))
    added = op.Where(allowed, op.CastLike(0.0, like) if boolean else mask, op.CastLike(LOWEST, like))
    return added, op.ReduceMax(op.CastLike(allowed, like), op.Constant(value_ints=[-1]), keepdims=1)


def _may_forbid(mask: Any) -> bool:
    """Whether an additive mask may hold minus infinity: it is told from outside, or one is in what it is made of.

    Where it cannot, as where the lowest finite number is added, there is nothing to guard against.
    """
    queue, seen = [mask], {mask}
    for value in queue:
        node = value.producer()
        if node is None and value.const_value is None and value.dtype in FLOATS:
            return True
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is not None and tensor.dtype in FLOATS and bool(np.isneginf(tensor.numpy()).any()):
            return True
        sources = [] if node is None else [item for item in node.inputs if item is not None and item not in seen]
        queue.extend(sources)
        seen.update(sources)
    return False


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
