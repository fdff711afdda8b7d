"""Products of one value whose results meet again, as one product: of queries, keys and values, of gate and values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

BESIDE = "+"
"""Between the names of weights that became one, in its name."""
ADDITIONS = {"Add", "Sum"}
LAST = -1


def pack_products(model: ir.Model, kind: Callable[[str], Hashable]) -> None:
    """Compute at once, and split, products of the same value that the same product reads next.

    It saves the starts of products, which count where there are few rows, and costs a copy of their results.

    Args:
        model: changed in place; a weight that others read stays where it is.
        kind: of a weight by its name; products of several kinds stay apart.
    """
    groups: dict[Any, list[ir.Node]] = defaultdict(list)
    for node in model.graph:
        weight = _stored(node, 2) if node.op_type == "MatMul" else None
        if weight is not None and len(weight.uses()) == 1 and not node.outputs[0].is_graph_output():
            groups[node.inputs[0], frozenset(_next_products(node)), kind(str(weight.name))].append(node)
    for products in groups.values():
        if len(products) > 1:
            _pack(model.graph, products)


def _stored(node: ir.Node, rank: int) -> ir.Value | None:
    """The second input of `node`, where it is a stored tensor of `rank` axes."""
    value = node.inputs[1]
    tensor = None if value is None else value.const_value
    return value if tensor is not None and len(tensor.shape) == rank else None


def _next_products(node: ir.Node) -> set[ir.Node]:
    """The first products by stored matrices on every way from a node."""
    found, queue, seen = set[ir.Node](), [node], {node}
    for source in queue:
        for reader in source.successors():
            if reader not in seen:
                product = reader.op_type == "MatMul" and _stored(reader, 2) is not None
                found.update([reader] * product)
                queue.extend([reader] * (not product))
            seen.add(reader)
    return found


def _pack(graph: ir.Graph, products: Sequence[ir.Node]) -> None:
    """Put one product, and one addition where all have one, in the place of several."""
    added = [node for product in products for node in _addition(product)]
    steps = [products, added] if len(added) == len(products) else [products]
    source = products[0].inputs[0]
    for nodes in steps:
        stored = _joined(graph, nodes)
        made = ir.node(nodes[0].op_type, [source, stored])
        graph.insert_before(products[0], made)
        source = made.outputs[0]
        source.type = stored.type
    parts = ir.node("Split", [source, _sizes(graph, products)], {"axis": LAST}, num_outputs=len(products))
    graph.insert_before(products[0], parts)
    for part, node in zip(parts.outputs, steps[-1], strict=True):
        whole = node.outputs[0]
        part.name, part.type, part.shape = whole.name, whole.type, whole.shape
        whole.replace_all_uses_with(part)
    replaced = [value for nodes in steps for node in nodes if (value := node.inputs[1]) is not None]
    for nodes in reversed(steps):
        graph.remove(nodes, safe=True)
    for value in replaced:
        if not value.uses():
            del graph.initializers[str(value.name)]


def _addition(product: ir.Node) -> list[ir.Node]:
    """The addition of a number for each result that alone reads a product, if there is one."""
    reader, *others = product.successors() or (product,)
    if others or reader.op_type not in ADDITIONS or reader.inputs[0] is not product.outputs[0]:
        return []
    added, weight = _stored(reader, 1), _stored(product, 2)
    alike = added is not None and weight is not None and _width(added.const_value) == _width(weight.const_value)
    return [reader] if alike and not reader.outputs[0].is_graph_output() else []


def _joined(graph: ir.Graph, nodes: Sequence[ir.Node]) -> ir.Value:
    """The stored tensors that nodes read, side by side; put together when the file is written."""
    values = [value for node in nodes if (value := node.inputs[1]) is not None]
    tensors = [value.const_value for value in values if value.const_value is not None]
    name = BESIDE.join(str(value.name) for value in values)
    *rows, _ = tensors[0].shape.numpy()
    shape = ir.Shape([*rows, sum(_width(tensor) for tensor in tensors)])
    whole = ir.LazyTensor(
        lambda: ir.tensor(np.concatenate([tensor.numpy() for tensor in tensors], LAST)),
        tensors[0].dtype,
        shape,
        name=name,
    )
    return _registered(graph, name, whole)


def _sizes(graph: ir.Graph, products: Sequence[ir.Node]) -> ir.Value:
    """The widths of products, as an operator reads them."""
    weights = [weight for product in products if (weight := _stored(product, 2)) is not None]
    widths = np.array([_width(weight.const_value) for weight in weights], np.int64)
    return _registered(graph, f"{BESIDE.join(str(weight.name) for weight in weights)}.sizes", ir.tensor(widths))


def _width(tensor: ir.TensorProtocol | None) -> int:
    return 0 if tensor is None else tensor.shape.numpy()[LAST]


def _registered(graph: ir.Graph, name: str, tensor: Any) -> ir.Value:
    value = ir.Value(name=name, const_value=tensor, shape=ir.Shape(tensor.shape), type=ir.TensorType(tensor.dtype))
    graph.register_initializer(value)
    return value
