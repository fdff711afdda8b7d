"""Sublayers: residual branches `x + f(x)` that can be bypassed whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import fx

from prunec.facts import Family, Sublayer
from prunec.ir.labels.value import Labelled, core
from prunec.ir.nodes import operator
from prunec.ir.program import Program

from .groups import Groups

aten = torch.ops.aten


def find_streams(program: Program, groups: Groups) -> list[fx.Node]:
    """Every node that a branch with a product in it is added to."""
    products = {item.node for item in groups.flow.ledger.contractions}
    return [item.skip for item in _branches(program, _Stream(program, groups)) if item.inside & products]


def find_sublayers(program: Program, groups: Groups, families: list[Family]) -> list[Sublayer]:
    """Every addition in which one operand is computed from the other and from nothing else on the same stream.

    That is dominance of `x` over `f(x)`, on the graph without weights and side inputs (masks, rotary
    tables): values that do not carry the stream's labels.
    """
    stream = _Stream(program, groups)
    contractions = {item.node: item for item in groups.flow.ledger.contractions}
    attentions = {item.node for item in groups.flow.ledger.attentions}
    attentions |= {node for node in groups.flow.ledger.refused if operator(node) is aten.scaled_dot_product_attention}
    found: list[Sublayer] = []
    names: set[str] = set()
    branches = [item for item in _branches(program, stream) if any(node in contractions for node in item.inside)]
    within = {node.name for item in branches for node in item.inside}
    # What is read elsewhere as well, such as the stream itself, outlives the branches that read it.
    bound = [family for family in families if all(site.node in within for site in family.sites)]
    for item in branches:
        last = max((node for node in item.inside if node in contractions), key=stream.position.__getitem__)
        name = contractions[last].weight.removesuffix(".weight").rpartition(".")[0] or item.branch.name
        name = name if name not in names else f"{name}.{item.branch.name}"
        names.add(name)
        sites = {node.name for node in item.inside}
        own = [family for family in bound if any(site.node in sites for site in family.sites)]
        kind, held = _kind(own, bool(item.inside & attentions)), tuple(family.name for family in own)
        found.append(Sublayer(name, kind, item.add.name, item.skip.name, item.branch.name, held, item.start.name))
    return found


def _kind(families: list[Family], attends: bool) -> str:
    has_neurons = any(family.kind in ("neuron", "channel") for family in families)
    return "block" if attends and has_neurons else "attention" if attends else "ffn"


@dataclass(frozen=True)
class _Branch:
    """A residual addition with its operands, what both start from, and the nodes from there to the branch."""

    add: fx.Node
    skip: fx.Node
    branch: fx.Node
    start: fx.Node
    inside: set[fx.Node]


def _branches(program: Program, stream: _Stream) -> Iterator[_Branch]:
    """Each residual addition."""
    skips: dict[fx.Node, fx.Node] = {}
    for add in program.graph.nodes:
        if add.target is not aten.add.Tensor or len(add.all_input_nodes) != 2 or add.kwargs.get("alpha", 1) != 1:
            continue
        for skip, branch in permutations(add.all_input_nodes):
            tried = ((start, stream.between(add, start, branch)) for start in _starts(skip, skips, stream))
            start, inside = next((found for found in tried if found[1] is not None), (skip, None))
            if inside is not None and skip not in inside and not _passed(inside, start, skips):
                skips[add] = skip
                yield _Branch(add, skip, branch, start, inside)
                break


def _starts(skip: fx.Node, skips: dict[fx.Node, fx.Node], stream: _Stream) -> Iterator[fx.Node]:
    """What a branch beside `skip` may start from: it, what other branches were added to, and what was scaled."""
    node: fx.Node | None = skip
    while node is not None:
        yield node
        node = skips.get(node) or stream.scaled(node)


def _passed(inside: set[fx.Node], origin: fx.Node, skips: dict[fx.Node, fx.Node]) -> bool:
    """Whether another stream runs through the branch: a position bias is no stream, although layers add to it."""
    return any(node in skips and skips[node] is not origin and skips[node] not in inside for node in inside)


class _Stream:
    """Which nodes carry which labels, and which are computed from what."""

    def __init__(self, program: Program, groups: Groups) -> None:
        self.position = {node: index for index, node in enumerate(program.graph.nodes)}
        self._values = groups.flow.values
        self._constant: set[fx.Node] = set()
        self._carried: dict[fx.Node, frozenset[int]] = {}
        self._sets: dict[bytes, frozenset[int]] = {}
        for node in program.graph.nodes:
            if node.op == "output":
                continue
            if node.op != "placeholder" and all(source in self._constant for source in node.all_input_nodes):
                self._constant.add(node)
            self._carried[node] = self._groups_of(node, groups.element)

    def _groups_of(self, node: fx.Node, group: np.ndarray) -> frozenset[int]:
        """The groups of labels that a node's value carries: its inputs' where its own are lost."""
        value = self._values[node]
        planes = value.planes if isinstance(value, Labelled) else ()
        if planes:
            labels = [group[core(plane).reshape(-1).numpy()] for plane in planes]
            found = np.unique(np.concatenate(labels))
            return self._sets.setdefault(found.tobytes(), frozenset(found.tolist()))
        sources = (self._carried[source] for source in node.all_input_nodes if source not in self._constant)
        return frozenset().union(*sources)

    def between(self, add: fx.Node, skip: fx.Node, branch: fx.Node) -> set[fx.Node] | None:
        """The nodes from `skip` to `branch`, or None where `skip` does not dominate `branch`."""
        if self.position[skip] > self.position[branch] or not self._is_stream(skip, add, branch):
            return None
        after = self._descendants(skip, branch)
        if branch not in after:
            return None
        inside: set[fx.Node] = set()
        stack = [branch]
        while stack:
            node = stack.pop()
            if node in inside or node is skip or node in self._constant:
                continue
            if node in after:
                inside.add(node)
                stack.extend(node.all_input_nodes)
            elif self._carried[node] & self._carried[skip]:
                return None
        return inside

    def scaled(self, node: fx.Node) -> fx.Node | None:
        """What `node` is a multiple of, if its factor does not depend on an input."""
        values = [source for source in node.all_input_nodes if source not in self._constant]
        return values[0] if operator(node) in (aten.mul, aten.div) and len(values) == 1 else None

    def _is_stream(self, skip: fx.Node, *others: fx.Node) -> bool:
        """Whether `skip` carries labels, and the other nodes have its shape."""
        value = self._values[skip]
        if not isinstance(value, Labelled) or not self._carried[skip]:
            return False
        rest = (self._values[node] for node in others)
        return all(isinstance(other, Labelled) and other.shape == value.shape for other in rest)

    def _descendants(self, node: fx.Node, last: fx.Node) -> set[fx.Node]:
        """Nodes computed from `node`, as far as `last` in graph order."""
        found: set[fx.Node] = set()
        current = node
        while current is not last:
            current = current.next
            if any(source is node or source in found for source in current.all_input_nodes):
                found.add(current)
        return found
