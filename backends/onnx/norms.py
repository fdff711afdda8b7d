"""Root-mean-square norms whose mean has a factor, put in the form that ONNX Runtime knows."""

from __future__ import annotations

import torch
from torch import fx

aten = torch.ops.aten


def take_out_factor(node: fx.Node) -> None:
    """Put `w * (x * rsqrt(f * y + e))`, where `node` is `f * y`, as `(w / sqrt(f)) * (x * rsqrt(y + e / f))`.

    A mean of which a part has gone has such a factor; ONNX Runtime knows a norm by there being none. Where
    anything else is done with the values in between, they stay as they are.
    """
    source, factor = node.args
    if not isinstance(source, fx.Node) or not isinstance(factor, float) or factor <= 0:
        return
    added = _only_user(node, aten.add.Tensor)
    root = _only_user(added, aten.rsqrt.default)
    if added is None or root is None or added.args[0] is not node or not isinstance(added.args[1], float):
        return
    product = _only_user(root, aten.mul.Tensor)
    scaled = _only_user(product, aten.mul.Tensor)
    weight = next((item for item in scaled.all_input_nodes if _is_stored(item)), None) if scaled is not None else None
    if scaled is None or weight is None:
        return
    added.args = (source, added.args[1] / factor)
    with node.graph.inserting_before(scaled):
        divided = node.graph.call_function(aten.div.Tensor, (weight, factor**0.5))
    divided.meta = dict(weight.meta)
    scaled.replace_input_with(weight, divided)


def _only_user(node: fx.Node | None, target: object) -> fx.Node | None:
    """The one call that takes a value, if it is of an operator."""
    users = list(node.users) if node is not None else []
    return users[0] if len(users) == 1 and users[0].target is target else None


def _is_stored(node: fx.Node) -> bool:
    """Whether a value is computed from stored tensors alone."""
    return node.op == "get_attr" or (node.op == "call_function" and all(map(_is_stored, node.all_input_nodes)))
