"""Attention as one operator that reads what projections wrote and hands on the cache: ONNX's `Attention`.

Spelt out, each layer turns queries, keys and values to `[batch, heads, positions, size]`, joins keys and values to
those cached, scores, masks, and turns the result back: a dozen operators, each with a start of its own and most with a
copy.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from onnxscript import onnx_opset
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from prunec.ir.nodes import arguments, keywords, read

from .attention import masking
from .record import record
from .rotary import rotary
from .shapes import same

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass
aten = torch.ops.aten
SINCE = 23
"""The first version of ONNX's operators that has it."""

HEADS, POSITIONS = 1, 2
RANK = 4
"""Of `[batch, heads, positions, head size]`."""
RESHAPES = {aten.flatten.using_ints, aten.reshape.default, aten.unflatten.int, aten.view.default}


def whole_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    past: tuple[Tensor, Tensor] | None,
    heads: int,
    groups: int,
    causal: bool,
    scale: float | None,
) -> tuple[Tensor, ...]:
    """Attention among heads that lie side by side, in groups that share keys and values.

    Args:
        query: `[batch, positions, heads * size]`.
        key: `[batch, new, groups * size]`.
        value: `[batch, new, groups * value size]`.
        mask: `[batch or 1, heads or 1, positions, past + new]`, boolean or added to the scores.
        past: keys and values of the positions before these, `[batch, groups, past, size]`, None where there are none.
        heads: of queries.
        groups: of keys and values; a divisor of `heads`.
        causal: whether no position attends to later ones; only without a past, for as many keys as queries.
        scale: of the scores; None for one over the root of `size`.

    Returns:
        `[batch, positions, heads * value size]`; with a past, keys and values of all positions too,
        `[batch, groups, past + new, size]`.
    """
    query, key, value = (
        item.unflatten(-1, (count, -1)).transpose(HEADS, POSITIONS)
        for item, count in ((query, heads), (key, groups), (value, groups))
    )
    handed_on: tuple[Tensor, ...] = ()
    if past is not None:
        key, value = handed_on = torch.cat([past[0], key], POSITIONS), torch.cat([past[1], value], POSITIONS)
    result = nn.functional.scaled_dot_product_attention(
        query, key, value, mask, is_causal=causal, scale=scale, enable_gqa=True
    )
    return result.transpose(HEADS, POSITIONS).flatten(-2), *handed_on


class _Heads(NamedTuple):
    """Heads before they are turned to an axis of their own.

    Attributes:
        apart: `[batch, positions, heads, size]`.
        turn: their rotary embedding; None where there is none.
        past: what is put before them, `[batch, heads, past, size]`; None where nothing is.
    """

    apart: fx.Node
    turn: fx.Node | None
    past: fx.Node | None


def fuse_attention(node: fx.Node, mode: FakeTensorMode) -> None:
    """Put `scaled_dot_product_attention` as `whole_attention`, where its heads lie side by side before and after.

    Args:
        node: a call of it, after `share_heads`; nothing in its graph is dead.
        mode: that of the graph's fake tensors.
    """
    query, key, value, mask, dropout, causal = arguments(node)
    queries, keys, values = _heads(query), _heads(key), _heads(value)
    results = _side_by_side(node)
    if queries is None or keys is None or values is None or not results:
        return
    if dropout or queries.past or (keys.past is None) != (values.past is None):
        return
    if not _fits(mask, key) or (causal and (keys.past or not same(_positions(query), _positions(key)))):
        return
    given = (results[0], key, value) if keys.past else (results[0],)
    with node.graph.inserting_before(node):
        beside = [_laid_beside(item, mode) for item in (queries, keys, values)]
        past = (keys.past, values.past) if keys.past else None
        counts = [item.meta["val"].shape[HEADS] for item in (query, key)]
        options = (mask, past, *counts, causal, keywords(node).get("scale"))
        call = node.graph.call_function(whole_attention, (*beside, *options))
        parts = [node.graph.call_function(operator.getitem, (call, place)) for place in range(len(given))]
    call.meta = {"val": tuple(item.meta["val"] for item in given)}
    for part, whole in zip(parts, given, strict=True):
        part.meta = dict(whole.meta)
    for wholes, part in zip((results, [key], [value]), parts, strict=False):
        for whole in wholes:
            whole.replace_all_uses_with(part)


def _heads(node: fx.Node) -> _Heads | None:
    """What of `node` was turned from `[batch, positions, heads, size]`; None where it was anything else."""
    past, new = _joined(node)
    turn = new if new.target is rotary else None
    turned = new if turn is None else read(turn, 0)
    value = turned.meta["val"]
    fixed = len(value.shape) == RANK and isinstance(value.shape[HEADS], int) and isinstance(value.shape[-1], int)
    plain = fixed and value.dtype == torch.float32 and _swaps(turned)
    return _Heads(read(turned, 0), turn, past) if plain else None


def _joined(node: fx.Node) -> tuple[fx.Node | None, fx.Node]:
    """Past and new positions, where `node` joins them for one attention and the graph's caller; else itself alone."""
    handed_on = sum(user.op == "output" for user in node.users)
    if node.target is aten.cat.default and len(node.users) == 1 + handed_on:
        parts, axis, *_ = arguments(node)
        if len(parts) == 2 and axis in (POSITIONS, POSITIONS - RANK):
            past, new = parts
            return past, new
    return None, node


def _swaps(node: fx.Node) -> bool:
    """Whether `node` swaps the axes of heads and positions."""
    return node.target is aten.transpose.int and {axis % RANK for axis in arguments(node)[1:]} == {HEADS, POSITIONS}


def _side_by_side(node: fx.Node) -> list[fx.Node]:
    """Where the heads of a result, `[batch, heads, positions, size]`, are laid side by side, if that is all of it."""
    batch, heads, positions, size = node.meta["val"].shape
    wide = [batch, positions, heads * size]
    results = [result for turned in node.users for result in turned.users]
    alike = all(item.target in RESHAPES and same(item.meta["val"].shape, wide) for item in results)
    return results if alike and all(map(_swaps, node.users)) else []


def _laid_beside(heads: _Heads, mode: FakeTensorMode) -> fx.Node:
    """The heads as `[batch, positions, heads * size]`, turned."""
    graph, value = heads.apart.graph, heads.apart.meta["val"]
    source = read(heads.apart, 0) if heads.apart.target in RESHAPES else heads.apart
    if not same(source.meta["val"].shape, [*value.shape[:2], value.shape[-2] * value.shape[-1]]):
        source = graph.call_function(aten.reshape.default, (heads.apart, [0, 0, -1]))
        with mode:
            source.meta = {"val": value.flatten(-2)}
    if heads.turn is None:
        return source
    turned = graph.call_function(rotary, (source, *heads.turn.args[1:]))
    turned.meta = dict(source.meta)
    return turned


def _fits(mask: fx.Node | None, key: fx.Node) -> bool:
    """Whether a mask is one that the operator takes: none, or with a number for each key."""
    shape = [] if mask is None else mask.meta["val"].shape
    return mask is None or (len(shape) == RANK and same(shape[-1:], _positions(key)))


def _positions(node: fx.Node) -> Any:
    return node.meta["val"].shape[POSITIONS : POSITIONS + 1]


def translated(
    query: Any,
    key: Any,
    value: Any,
    mask: Any,
    past: Any,
    heads: int,
    groups: int,
    causal: bool,
    scale: float | None,
) -> Any:
    """`whole_attention` in ONNX. Positions that may attend to nothing are zero, as PyTorch's."""
    added, attends = masking(mask, query)
    options: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": groups, "is_causal": int(causal)}
    if scale is not None:
        options["scale"] = float(scale)
    count = 1 if past is None else 3
    result, *handed_on = record("Attention", [query, key, value, added, *(past or ())], options, outputs=count)
    if attends is not None and mask.shape[HEADS] == 1:
        result = op.Mul(result, op.Squeeze(attends, op.Constant(value_ints=[HEADS])))
    elif attends is not None:
        apart = op.Reshape(result, op.Constant(value_ints=[0, 0, heads, -1]))
        rows = op.Transpose(attends, perm=[0, POSITIONS, HEADS, RANK - 1])
        result = op.Reshape(op.Mul(apart, rows), op.Constant(value_ints=[0, 0, -1]))
    return result, *handed_on


TRANSLATIONS: Mapping[Any, Any] = {whole_attention: translated}
