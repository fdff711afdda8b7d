"""Attention operators: query dims go with key dims, value dims with output dims, and all of a head together."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values, labels_along
from prunec.ir.labels.ledger import AttentionHeads, Ledger
from prunec.ir.labels.rules import Call, Planes, refuse, rule
from prunec.ir.labels.value import Labelled, compact, varying_axes

aten = torch.ops.aten
HEAD, FEATURE = -3, -1


@rule(aten.scaled_dot_product_attention)
def attention(call: Call, ledger: Ledger) -> Planes:
    """Query, key and value `[..., heads, tokens, size]`: a head is one index of the head axis in each of them.

    Keys and values that all heads share stand for all of them, and outlive any one head.
    """
    query, key, value = call.args[:3]
    if query.meta.dim() < 4:
        return refuse(call, ledger, "is an attention without an axis of heads")
    heads = query.shape[HEAD]
    for operand in (query, key, value):
        _pin_places(call, ledger, operand)
        if operand.shape[HEAD] > 1 and not any(HEAD in _axes_from_end(plane) for plane in operand.planes):
            return refuse(call, ledger, "is an attention over heads that cannot be told apart")
    queries, keys, values = (_by_head(operand, heads) for operand in (query, key, value))
    if len(queries) != 1 or len(values) != 1 or not keys:
        return refuse(call, ledger, "is an attention whose heads are not laid out as one axis of labels")
    ledger.multiply(queries[0], call.node, 0)
    roles = {"query": queries[0]}
    for rows in keys:
        roles |= _bind(ledger, queries[0], rows, "key")
    out = values[0]
    if heads > 1 and not _differing(out).any():
        out = labels_along(out.shape, [0, 1], ledger)
        ledger.repeat(out, values[0])
    roles["output"] = out
    for operand in (key, value):
        _bind_copies(ledger, queries[0], operand)
    roles |= _bind_bias(call, ledger, queries[0])
    ledger.attentions.append(AttentionHeads(call.node, {name: rows.numpy() for name, rows in roles.items()}))
    view = [1] * call.meta.dim()
    view[HEAD], view[FEATURE] = out.shape
    return (out.view(view).expand(call.meta.shape),)


def _pin_places(call: Call, ledger: Ledger, operand: Labelled) -> None:
    """Tokens and samples that have labels, such as copies of a learned token: they meet others, which have none."""
    for plane in operand.planes:
        if varying_axes(plane) and not _axes_from_end(plane) & {HEAD, FEATURE}:
            ledger.pin(plane, f"{call.node.name} mixes its places")


def _by_head(operand: Labelled, heads: int) -> list[Tensor]:
    """Labels `[heads, size]` of each plane of features; fewer key or value heads are repeated over their queries."""
    rows = []
    for plane in operand.planes:
        axes = _axes_from_end(plane)
        if not axes & {HEAD, FEATURE}:
            continue
        if axes - {HEAD, FEATURE}:
            return []
        if axes != {HEAD} or plane.shape[FEATURE] == 1:
            own = plane.shape[HEAD]
            moved = plane.movedim((HEAD, FEATURE), (-2, -1)).reshape(-1, own, plane.shape[FEATURE])[0]
            rows.append(moved.repeat_interleave(heads // own, dim=0))
    return rows


def _axes_from_end(plane: Tensor) -> set[int]:
    return {axis - plane.dim() for axis in varying_axes(plane)}


def _differing(rows: Tensor) -> Tensor:
    """Which columns of `[heads, size]` are not one label for all heads."""
    return (rows != rows[:1]).any(dim=0)


def _bind(ledger: Ledger, query: Tensor, rows: Tensor, name: str) -> dict[str, Tensor]:
    """Tie queries to rows of `[heads, size]`, column by column; the columns by head, as a role.

    A label in several columns, such as that of a head's copy of a key, stands for all of them.
    """
    by_head = _differing(rows) if len(rows) > 1 else torch.ones(rows.shape[1], dtype=torch.bool)
    single = by_head & ((rows.unsqueeze(-1) == rows.unsqueeze(-2)).sum(dim=-1) == 1).all(dim=0)
    ledger.tie(query[:, single], rows[:, single])
    for columns in (~by_head, by_head & ~single):
        ledger.repeat(query[:, columns], compact(rows[:, columns]))
    return {name: rows[:, by_head]} if by_head.any() else {}


def _bind_copies(ledger: Ledger, query: Tensor, operand: Labelled) -> None:
    """A copy for each head is there as long as the head."""
    for plane in operand.planes:
        if _axes_from_end(plane) == {HEAD} and plane.shape[HEAD] == len(query) and plane.shape[FEATURE] > 1:
            ledger.repeat(query, plane.movedim(HEAD, 0).reshape(len(query), -1)[:, :1])


def _bind_bias(call: Call, ledger: Ledger, query: Tensor) -> dict[str, Tensor]:
    """A label a head for the scores, as a role: it meets the bias as in any sum."""
    bias = call.argument(3, "attn_mask")
    if not isinstance(bias, Labelled):
        return {}
    shape = torch.Size([*call.meta.shape[:-1], bias.shape[-1]])
    scores = labels_along(torch.Size([*shape[:-2], 1, 1]), [len(shape) + HEAD], ledger)
    rows = scores.movedim(HEAD, 0).reshape(len(query), -1)[:, :1]
    ledger.repeat(query, rows)
    combine_values((Labelled(torch.empty(scores.shape, device="meta"), (scores,)), bias), shape, ledger)
    return {"scores": rows}
