"""Sublayers: residual branches `x + f(x)` that can be bypassed whole."""

from __future__ import annotations

import numpy as np
import torch
from torch import fx

from prunec.facts import Family, Sublayer
from prunec.ir.labels.value import Labelled
from prunec.ir.program import Program

from .groups import Groups

aten = torch.ops.aten


def find_sublayers(program: Program, groups: Groups, families: list[Family]) -> list[Sublayer]:
    """Every addition in which one operand is computed from the other and from nothing else on the same stream.

    That is dominance of `x` over `f(x)`, on the graph without side inputs (masks, rotary tables):
    values that do not carry the stream's labels.
    """
    found: list[Sublayer] = []
    names: set[str] = set()
    contractions = {item.node: item for item in groups.flow.ledger.contractions}
    attentions = {item.node for item in groups.flow.ledger.attentions}
    for add in program.graph.nodes:
        if add.op != "call_function" or add.target is not aten.add.Tensor or len(add.all_input_nodes) != 2:
            continue
        for skip, branch in (add.args[:2], add.args[1::-1]):
            inside = _branch(groups, add, skip, branch)
            if inside is None or not inside & contractions.keys():
                continue
            last = max((node for node in inside & contractions.keys()), key=_position(program))
            name = contractions[last].weight.removesuffix(".weight").rpartition(".")[0] or branch.name
            name = name if name not in names else f"{name}.{branch.name}"
            names.add(name)
            own = tuple(family.name for family in families if any(node.name == family.site.node for node in inside))
            kind = _kind(families, own, bool(inside & attentions))
            found.append(Sublayer(name, kind, add.name, skip.name, branch.name, own))
            break
    return found


def _position(program: Program):  # type: ignore[no-untyped-def]
    order = {node: index for index, node in enumerate(program.graph.nodes)}
    return order.__getitem__


def _kind(families: list[Family], own: tuple[str, ...], attends: bool) -> str:
    has_neurons = any(family.kind == "neuron" for family in families if family.name in own)
    return "block" if attends and has_neurons else "attention" if attends else "ffn"


def _branch(groups: Groups, add: fx.Node, skip: fx.Node, branch: fx.Node) -> set[fx.Node] | None:
    """The nodes between `skip` and `branch`, or None where `skip` does not dominate `branch`."""
    values = groups.flow.values
    if not _same_shape(values[add], values[skip], values[branch]):
        return None
    after = _descendants(skip, add)
    if branch not in after:
        return None
    stream = _group_ids(groups, values[skip])
    inside: set[fx.Node] = set()
    stack = [branch]
    while stack:
        node = stack.pop()
        if node in inside or node is skip:
            continue
        if node not in after:
            if node.op != "get_attr" and stream & _group_ids(groups, values[node]):
                return None
            continue
        inside.add(node)
        stack.extend(node.all_input_nodes)
    return inside


def _same_shape(*values: object) -> bool:
    return all(isinstance(value, Labelled) and value.planes for value in values) and len({v.shape for v in values}) == 1  # type: ignore[attr-defined]


def _descendants(node: fx.Node, until: fx.Node) -> set[fx.Node]:
    """Nodes computed from `node`, as far as `until` in graph order."""
    found: set[fx.Node] = set()
    current = node.next
    while current is not until:
        if any(source is node or source in found for source in current.all_input_nodes):
            found.add(current)
        current = current.next
    return found


def _group_ids(groups: Groups, value: object) -> set[int]:
    planes = value.planes if isinstance(value, Labelled) else ()
    return {int(group) for plane in planes for group in np.unique(groups.element[np.unique(plane.numpy())])}
