"""Rotary position embedding as one operator: ONNX Runtime's, for the six or seven that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from onnxscript import onnx_opset
from torch import Tensor, fx

from .record import RUNTIME, record
from .shapes import same

op: Any = onnx_opset.opset18  # its types describe what graphs hold, not what traces pass
aten = torch.ops.aten
RANK, HEADS = 4, 1
"""Of what is turned: `[batch, heads, positions, head size]`."""
SIDEWAYS = {aten.unsqueeze.default, aten.slice.Tensor}
ALONG = {aten.cos.default, aten.sin.default, aten._to_copy.default, aten.mul.Tensor, *SIDEWAYS}
"""Calls whose halves along the last axis are equal where those of their first argument are; the first two if they
leave the last axis alone."""


def rotary(value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn pairs of a head's elements: `i` with `i + size / 2`.

    Args:
        value: what is turned, queries or keys, `[batch, heads, positions, size]` or `[batch, positions, heads * size]`.
        cosine: of each position's angles, `[batch or 1, 1, positions, size]`, its halves equal.
        sine: of the same.
    """
    if value.dim() < RANK:
        apart = value.unflatten(-1, (-1, cosine.shape[-1])).transpose(HEADS, HEADS + 1)
        return rotary(apart, cosine, sine).transpose(HEADS, HEADS + 1).flatten(-2)
    first, second = value.chunk(2, -1)
    return value * cosine + torch.cat([-second, first], -1) * sine


def fuse_rotary(node: fx.Node) -> None:
    """Put the sum `x * cos + (x turned by a quarter) * sin`, where `node` is one, as a call of `rotary`."""
    straight, crossed = node.args[:2]
    for one, other in ((straight, crossed), (crossed, straight)):
        sine, value = _crossed(other)
        cosine = _factor(one, value)
        if value is None or cosine is None or sine is None or node.kwargs:  # a sum may have a factor of its own
            continue
        if _is_table(cosine, value) and _is_table(sine, value) and same(_shape(node), _shape(value)):
            node.target, node.args = rotary, (value, cosine, sine)
            return


def _crossed(node: Any) -> tuple[fx.Node | None, fx.Node | None]:
    """`sine` and `x` of a product of `sine` and `[-second half of x, first half of x]`."""
    for turned, sine in _factors(node):
        halves = turned.args[0] if turned.target is aten.cat.default and _last(turned, 1) else ()
        if not isinstance(halves, (list, tuple)) or len(halves) != 2:
            continue
        negated, first = halves
        second = negated.args[0] if isinstance(negated, fx.Node) and negated.target is aten.neg.default else None
        value = _half(first, 0)
        if value is not None and value is _half(second, 1):
            return sine, value
    return None, None


def _half(node: Any, place: int) -> fx.Node | None:
    """What `node` is the first (0) or second (1) half of along the last axis."""
    if not isinstance(node, fx.Node) or node.target is not aten.slice.Tensor or not _last(node, 1):
        return None
    source = node.args[0]
    if not isinstance(source, fx.Node) or len(_shape(source)) != RANK:
        return None
    size, own = _shape(source)[-1], _shape(node)[-1]
    start, step = _argument(node, 2, 0), _argument(node, 4, 1)
    return source if isinstance(size, int) and size == 2 * own and start == place * own and step == 1 else None


def _factor(node: Any, value: fx.Node | None) -> fx.Node | None:
    """The other factor of a product with `value`."""
    return next((other for one, other in _factors(node) if one is value), None)


def _factors(node: Any) -> list[tuple[fx.Node, fx.Node]]:
    """Both factors of a product of two values, in either order."""
    if not isinstance(node, fx.Node) or node.target is not aten.mul.Tensor:
        return []
    one, two = node.args
    return [(one, two), (two, one)] if isinstance(one, fx.Node) and isinstance(two, fx.Node) else []


def _is_table(node: fx.Node, value: fx.Node) -> bool:
    """Whether `node` has a row of two equal halves for each position of `value`, in the same type."""
    shape, wanted = _shape(node), _shape(value)
    if len(shape) != RANK or shape[HEADS] != 1 or not same(shape[HEADS + 1 :], wanted[HEADS + 1 :]):
        return False
    if node.meta["val"].dtype != value.meta["val"].dtype:
        return False
    return (same(shape[:1], wanted[:1]) or same(shape[:1], [1])) and _is_mirrored(node)


def _is_mirrored(node: fx.Node) -> bool:
    """Whether the halves along the last axis are equal."""
    if node.target is aten.cat.default:
        parts = node.args[0]
        return isinstance(parts, (list, tuple)) and len(parts) == 2 and parts[0] is parts[1] and _last(node, 1)
    source, *others = node.args if node.target in ALONG else (None,)
    if not isinstance(source, fx.Node) or any(isinstance(item, fx.Node) for item in others):
        return False
    return not (node.target in SIDEWAYS and _last(node, 1)) and _is_mirrored(source)


def _last(node: fx.Node, place: int) -> bool:
    """Whether the axis that is an argument of `node` is its result's last."""
    return _argument(node, place, 0) in (-1, len(_shape(node)) - 1)


def _argument(node: fx.Node, place: int, default: int) -> Any:
    return node.args[place] if len(node.args) > place else default


def _shape(node: fx.Node) -> list[Any]:
    return [*node.meta["val"].shape]


def translated(value: Any, cosine: Any, sine: Any) -> Any:
    """`rotary` in ONNX.

    The operator looks angles up by position in a table. The table is made of the angles of this request, all rows one
    after the other, and the position of a token is its place among them, so that padded rows have angles of their own.
    """
    half = cosine.shape[-1] // 2
    tables = [
        op.Reshape(
            op.Slice(angles, op.Constant(value_ints=[0]), op.Constant(value_ints=[half]), op.Constant(value_ints=[-1])),
            op.Constant(value_ints=[-1, half]),
        )
        for angles in (cosine, sine)
    ]
    places = op.Constant(value_ints=[0]) if cosine.shape[0] == 1 else _places(cosine)
    return record("RotaryEmbedding", [value, places, *tables], domain=RUNTIME)[0]


def _places(angles: Any) -> Any:
    """The numbers of the rows of `[batch, 1, positions, size]`, `[batch, positions]`."""
    sizes = op.Concat(op.Shape(angles, start=0, end=1), op.Shape(angles, start=2, end=3), axis=0)
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    return op.Reshape(op.Range(zero, op.ReduceProd(sizes, keepdims=0), one), sizes)


TRANSLATIONS: Mapping[Any, Any] = {rotary: translated}
