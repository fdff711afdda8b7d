"""Heads that share keys and values: attention reads them where they are, instead of a copy for each head."""

from __future__ import annotations

import torch
from torch import fx

from .shapes import same

aten = torch.ops.aten
RANK, HEADS = 4, 1
"""Of `[batch, heads, positions, head size]`."""


def share_heads(node: fx.Node) -> None:
    """Let an attention that reads keys and values repeated for their query heads read them unrepeated."""
    query, key, value = node.args[:3]
    shared = [_unrepeated(item) for item in (key, value) if isinstance(item, fx.Node)]
    if len(shared) < 2 or shared[0] is None or shared[1] is None:
        return
    node.args = (query, shared[0], shared[1], *node.args[3:])
    node.kwargs = {**node.kwargs, "enable_gqa": True}


def _unrepeated(node: fx.Node) -> fx.Node | None:
    """What `node` repeats along the axis of heads, each head's copies side by side; None where it is anything else."""
    expanded = node.args[0] if node.target is aten.reshape.default else None
    apart = expanded.args[0] if isinstance(expanded, fx.Node) and expanded.target is aten.expand.default else None
    source = apart.args[0] if isinstance(apart, fx.Node) and apart.target is aten.unsqueeze.default else None
    if not isinstance(source, fx.Node) or not isinstance(apart, fx.Node) or not isinstance(expanded, fx.Node):
        return None
    if apart.args[1] != HEADS + 1 or len(source.meta["val"].shape) != RANK:
        return None
    before, wide, after = ([*item.meta["val"].shape] for item in (source, expanded, node))
    heads, copies = before[HEADS], wide[HEADS + 1]
    repeated = same([*before[: HEADS + 1], copies, *before[HEADS + 1 :]], wide)
    merged = same([before[0], heads * copies, *before[HEADS + 1 :]], after)
    return source if repeated and merged else None
