"""Attention operators: query dims go with key dims, value dims with output dims, and all of a head together."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.contraction import refuse
from prunec.ir.labels.ledger import AttentionHeads, Ledger
from prunec.ir.labels.rules import Call, Planes, rule
from prunec.ir.labels.value import Labelled, varying_axes

aten = torch.ops.aten
HEAD_AXIS, FEATURE_AXIS = -3, -1


@rule(aten.scaled_dot_product_attention)
def attention(call: Call, ledger: Ledger) -> Planes:
    """Query, key and value `[..., heads, tokens, size]`: a head is one index of the head axis in each of them."""
    query, key, value = call.args[:3]
    bias = call.argument(3, "attn_mask")
    if query.meta.dim() < 4 or not all(len(operand.planes) == 1 for operand in (query, key, value)):
        return refuse(call, ledger, "is an attention whose heads are not laid out as one axis of labels")
    heads = query.shape[HEAD_AXIS]
    roles = {name: _by_head(operand, heads) for name, operand in zip("qkv", (query, key, value), strict=True)}
    ledger.tie(roles["q"], roles["k"])
    if isinstance(bias, Labelled):
        for plane in bias.planes:
            if varying_axes(plane) - {plane.dim() + HEAD_AXIS}:
                ledger.pin(plane, f"{call.node.name} adds it to scores along the tokens")
            elif varying_axes(plane):
                roles["bias"] = plane.movedim(HEAD_AXIS, 0).reshape(heads, -1)[:, :1]
    ledger.attentions.append(AttentionHeads(call.node, {name: labels.numpy() for name, labels in roles.items()}))
    view = [1] * call.meta.dim()
    view[HEAD_AXIS], view[FEATURE_AXIS] = roles["v"].shape
    return (roles["v"].view(view).expand(call.meta.shape),)


def _by_head(operand: Labelled, heads: int) -> Tensor:
    """Labels `[heads, size]`; fewer key or value heads are repeated over their queries."""
    plane = operand.planes[0]
    own = plane.shape[HEAD_AXIS]
    moved = plane.movedim((HEAD_AXIS, FEATURE_AXIS), (-2, -1)).reshape(-1, own, plane.shape[FEATURE_AXIS])[0]
    return moved.repeat_interleave(heads // own, dim=0)
