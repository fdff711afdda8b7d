"""Factors moved from features into the weights that read them, by powers of two: no output changes by a bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from prunec.ir.nodes import arguments, operator
from prunec.ir.products import Product, products
from prunec.ir.program import Program, build_module
from prunec.ir.slicing import like

aten = torch.ops.aten
SAME_FEATURES = {aten.relu, aten.alias, aten.clone, aten.contiguous, aten.dropout, aten.detach}
"""What passes on a positive factor of each feature."""

Place = tuple[str, int]
"""A tensor and the axis of it that has the features."""


@dataclass(frozen=True)
class Scalable:
    """A value whose features can be divided by factors of their own where they are made, and multiplied where read.

    Attributes:
        value: the node, `[..., features]`.
        makers: what is divided.
        readers: the products with `value`, whose weights are multiplied; nothing else reads it.
    """

    value: fx.Node
    makers: tuple[Place, ...]
    readers: tuple[Product, ...]


def scalables(program: Program) -> dict[fx.Node, Scalable]:
    """Every value of `program` that can be scaled so, by its node.

    Tensors that are read twice, tied ones included, are left alone: scaling one would change something else.
    """
    read_once = _read_once(program)
    readers: dict[fx.Node, list[Product]] = {}
    for item in products(program):
        readers.setdefault(item.operand, []).append(item)
    found = {}
    for value, items in readers.items():
        alone = {item.call for item in items} == set(value.users) and all(item.weight in read_once for item in items)
        makers = _makers(program, value, read_once) if alone else ()
        size = program.tensor(items[0].weight).shape[items[0].axis]
        if makers and all(program.tensor(name).shape[axis] == size for name, axis in makers):
            found[value] = Scalable(value, makers, tuple(items))
    return found


def scaled(program: Program, exponents: Mapping[str, Tensor]) -> Program:
    """`program` with features of values divided by `2 ** exponents`, `[features]`, by the name of the value's node."""
    tensors, changed = program.tensors(), dict[str, Tensor]()
    for value, item in scalables(program).items():
        if value.name not in exponents:
            continue
        powers = exponents[value.name]
        moves = [(place, -powers) for place in item.makers]
        moves += [((reader.weight, reader.axis), powers) for reader in item.readers]
        for (name, axis), power in moves:
            old = changed.get(name, tensors[name])
            shape = [-1 if dim == axis % old.dim() else 1 for dim in range(old.dim())]
            changed[name] = like(old, torch.ldexp(old.detach(), power.view(shape)))
    return program.with_module(build_module(program.graph, {**tensors, **changed})) if changed else program


def _read_once(program: Program) -> set[str]:
    """The tensors that one call reads, under one name."""
    reads: Counter[int] = Counter()
    names: dict[str, int] = {}
    for node in program.graph.find_nodes(op="get_attr"):
        tensor = program.tensor(str(node.target))
        names[str(node.target)] = tensor.data_ptr()
        reads[tensor.data_ptr()] += len(node.users)
    return {name for name, place in names.items() if reads[place] == 1}


def _makers(program: Program, value: fx.Node, read_once: set[str]) -> tuple[Place, ...]:
    """The tensors that `value` is proportional to, feature by feature; none where there is no such tensor."""
    kind, given = operator(value), arguments(value) if value.op == "call_function" else []
    if kind in SAME_FEATURES:
        return _inner(program, given[0], read_once)
    if kind is aten.mul:
        factors = [item for item in given if isinstance(item, fx.Node)]
        vectors = [item for item in factors if item.op == "get_attr" and program.tensor(str(item.target)).dim() == 1]
        for item in vectors:
            return ((str(item.target), 0),) if str(item.target) in read_once else ()
        return next(filter(None, (_inner(program, item, read_once) for item in factors)), ())
    if kind in (aten.linear, aten.layer_norm, aten.rms_norm):
        return _affine(kind, given, read_once)
    return ()


def _inner(program: Program, value: fx.Node, read_once: set[str]) -> tuple[Place, ...]:
    """The makers of what nothing else reads."""
    return _makers(program, value, read_once) if len(value.users) == 1 else ()


def _affine(kind: object, given: list[object], read_once: set[str]) -> tuple[Place, ...]:
    """Weight and bias of a map or of a normalisation over the last axis, where both are read here alone."""
    if kind is not aten.linear and not (isinstance(given[1], (list, tuple)) and len(given[1]) == 1):
        return ()
    pair = given[1:3] if kind is aten.linear else given[2:4] if kind is aten.layer_norm else given[2:3]
    nodes = [item for item in pair if isinstance(item, fx.Node)]
    if not nodes or nodes[0] is not pair[0] or any(str(node.target) not in read_once for node in nodes):
        return ()
    return tuple((str(node.target), 0) for node in nodes)
