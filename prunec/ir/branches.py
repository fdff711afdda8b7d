"""Residual branches: the additions `x + f(x)` of a graph, by what is computed from what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from operator import getitem

import torch
from torch import fx

from prunec.ir.labels import LabelFlow
from prunec.ir.labels.value import Labelled
from prunec.ir.nodes import operator
from prunec.ir.program import Program

aten = torch.ops.aten


@dataclass(frozen=True, eq=False)
class Branch:
    """A residual addition.

    Attributes:
        add: the addition.
        skip: its operand `x`.
        branch: its operand `f(x)`.
        start: what both are computed from.
        inside: the nodes from `start` to `branch`, in no order.
    """

    add: fx.Node
    skip: fx.Node
    branch: fx.Node
    start: fx.Node
    inside: frozenset[fx.Node]


def name_branches(branches: Iterable[Branch], flow: LabelFlow) -> dict[str, Branch]:
    """The branches by name, in their order: what the weight of the last product inside is of, such as `layers.0.mlp`.

    Where that is taken already, or is nothing, the name of the node `f(x)` is in it, which depends on the tracing.
    """
    contractions = {item.node: item for item in flow.ledger.contractions}
    position = {node: index for index, node in enumerate(flow.values)}
    named: dict[str, Branch] = {}
    for item in branches:
        last = max((node for node in item.inside if node in contractions), key=position.__getitem__)
        name = contractions[last].weight.removesuffix(".weight").rpartition(".")[0] or item.branch.name
        named[name if name not in named else f"{name}.{item.branch.name}"] = item
    return named


def find_branches(program: Program, flow: LabelFlow) -> list[Branch]:
    """Every addition one operand of which is computed from the other by a product with a weight, in graph order.

    Or from what the other is made of: the sum that it is, where branches stand side by side, what it is a multiple
    of, and what it is a part of. Or both are computed from one value: this one by products and sums with weights
    alone, as shortcuts between two widths are, that one by more before its last product, with no residual addition on
    the way. What else a branch reads does not matter: `x` is what is left when `f(x, y)` goes.
    """
    products = {item.node for item in flow.ledger.contractions}
    return [item for item in _Finder(program.graph, flow) if item.inside & products]


class _Finder:
    """One search through a graph."""

    def __init__(self, graph: fx.Graph, flow: LabelFlow) -> None:
        self._nodes, self._values = list(graph.nodes), flow.values
        self._products = {item.node for item in flow.ledger.contractions}
        self._position = {node: index for index, node in enumerate(self._nodes)}
        self._before = _ancestors(self._position)
        self._constant = _constants(graph)
        self._skips: dict[fx.Node, fx.Node] = {}

    def __iter__(self) -> Iterator[Branch]:
        for add in self._nodes:
            if add.target is not aten.add.Tensor or len(add.all_input_nodes) != 2 or add.kwargs.get("alpha", 1) != 1:
                continue
            found = (self._branch(add, *operands) for operands in permutations(add.all_input_nodes))
            item = next((item for item in found if item is not None), None)
            if item is not None:
                self._skips[add] = item.skip
                yield item

    def _branch(self, add: fx.Node, skip: fx.Node, branch: fx.Node) -> Branch | None:
        """The branch, if `branch` may go and leave `skip`."""
        if not self._alike(add, skip):
            return None
        start = next((node for node in self._origins(skip) if self._precedes(node, branch)), None)
        if start is not None:
            inside = self._inside(start, branch)
            return None if self._passed(inside, start) else Branch(add, skip, branch, start, inside)
        start = next((node for node in self._straight(skip) if self._precedes(node, branch)), None)
        if start is not None and not self._products.isdisjoint((branch, *self._straight(branch))):
            inside = self._inside(start, branch)
            if inside.isdisjoint(self._skips) and not all(map(self._is_straight, inside)):
                return Branch(add, skip, branch, start, inside)
        return None

    def _precedes(self, node: fx.Node, later: fx.Node) -> bool:
        """Whether `later` is computed from `node`."""
        return bool(self._before[later] >> self._position[node] & 1)

    def _inside(self, start: fx.Node, branch: fx.Node) -> frozenset[fx.Node]:
        """The nodes from `start` to `branch`: what is computed from that one, and this one computed from."""
        inside: set[fx.Node] = set()
        for node in self._nodes[self._position[start] + 1 : self._position[branch] + 1]:
            if any(source is start or source in inside for source in node.all_input_nodes) and (
                node is branch or self._precedes(node, branch)
            ):
                inside.add(node)
        return frozenset(inside)

    def _origins(self, skip: fx.Node) -> Iterator[fx.Node]:
        """`skip`, and what it is made of, nearest first."""
        node: fx.Node | None = skip
        while node is not None:
            yield node
            node = self._skips.get(node) or self._source(node)

    def _source(self, node: fx.Node) -> fx.Node | None:
        """What `node` is a part or a multiple of, the factor not depending on an input."""
        if node.target is getitem or operator(node) in _PARTS:
            return node.all_input_nodes[0]
        values = self._active(node)
        return values[0] if operator(node) in (aten.mul, aten.div) and len(values) == 1 else None

    def _straight(self, skip: fx.Node) -> Iterator[fx.Node]:
        """What `skip` is computed from by products and sums with weights alone, nearest first."""
        node = skip
        while self._is_straight(node) and len(self._active(node)) == 1:
            node = self._active(node)[0]
            yield node

    def _is_straight(self, node: fx.Node) -> bool:
        """Whether twice the input would give twice the output, apart from a constant."""
        if node.target is getitem or operator(node) in (*_PARTS, aten.add, aten.sub, aten.cat):
            return True
        return (node in self._products or operator(node) in _SCALINGS) and len(self._active(node)) == 1

    def _active(self, node: fx.Node) -> list[fx.Node]:
        return [source for source in node.all_input_nodes if source not in self._constant]

    def _passed(self, inside: frozenset[fx.Node], start: fx.Node) -> bool:
        """Whether another stream runs through the branch: a position bias is no stream, although layers add to it."""
        skips = (self._skips[node] for node in inside if node in self._skips)
        return any(skip is not start and skip not in inside for skip in skips)

    def _alike(self, add: fx.Node, skip: fx.Node) -> bool:
        """Whether `skip` can stand in the place of the addition."""
        whole, part = self._values[add], self._values[skip]
        if not isinstance(whole, Labelled) or not isinstance(part, Labelled) or not part.meta.is_floating_point():
            return False
        return whole.shape == part.shape and whole.meta.dtype == part.meta.dtype


def _ancestors(position: Mapping[fx.Node, int]) -> dict[fx.Node, int]:
    """What each node is computed from, weights apart: a bit for each place in the graph.

    Deep graphs have many additions, each after all that came before: walks back from each would take the square.
    """
    found: dict[fx.Node, int] = {}
    for node in position:
        sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
        found[node] = reduce(int.__or__, (found[source] | 1 << position[source] for source in sources), 0)
    return found


def _constants(graph: fx.Graph) -> set[fx.Node]:
    """What depends on no more of the inputs than their sizes."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        sources = node.all_input_nodes
        if operator(node) in _SIZES:
            sources = [source for source in sources if source is not node.args[0]]
        if node.op in ("get_attr", "call_function") and all(source in found for source in sources):
            found.add(node)
    return found


_SIZES = (
    aten.sym_size, aten.empty_like, aten.full_like, aten.ones_like, aten.zeros_like, aten.new_empty, aten.new_full,
    aten.new_ones, aten.new_zeros,
)  # fmt: skip
"""What reads nothing of its first argument but its size."""

_PARTS = (
    aten.alias, aten.chunk, aten.clone, aten.expand, aten.flatten, aten.gather, aten.index, aten.index_put,
    aten.index_select, aten.masked_fill, aten.movedim, aten.narrow, aten.permute, aten.reshape, aten.select,
    aten.slice, aten.slice_scatter, aten.split, aten.split_with_sizes, aten.squeeze, aten.t, aten.transpose,
    aten.unbind, aten.unflatten, aten.unsqueeze, aten.view,
)  # fmt: skip
"""What takes elements of its first argument as they are, all or some."""

_SCALINGS = (
    aten.mul, aten.div, aten.mean, aten.avg_pool1d, aten.avg_pool2d, aten.batch_norm,
    aten._native_batch_norm_legit_no_training,
)  # fmt: skip
"""What multiplies its one argument that depends on inputs."""
