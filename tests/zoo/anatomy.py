"""What a user might expect to be cut: the attentions and feed-forwards that a graph holds, by rules of its own.

It knows nothing of labels, so that it can say what label flow missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import fx

from prunec.facts import Structure
from prunec.ir.execute import evaluate, input_values
from prunec.ir.nodes import operator
from prunec.ir.program import Program

PROJECTIONS = ("linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "grouped_mm", "grouped_mm_fallback")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d")
NONLINEAR = ("relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardswish", "leaky_relu", "elu", "mish", "softplus")
ATTENDING = ("scaled_dot_product_attention", "softmax", "_softmax")
BARRIERS = ("layer_norm", "rms_norm", "group_norm", "softmax", "scaled_dot_product_attention", "embedding", "cumsum")
"""What a feed-forward does not reach across, besides products and additions that join two of them."""
NOT_HEADS = ("neuron", "vo_dim", "qk_dim", "expert", "hidden")
"""Kinds of units that are no heads of an attention."""

PARTS = ("slice", "select", "index", "gather", "permute", "transpose", "reshape", "expand", "squeeze", "unsqueeze")

MIXERS = ("scaled_dot_product_attention", "cumsum")
"""What mixes tokens by itself, besides products of two activations."""


@dataclass(frozen=True)
class Place:
    """One attention, or one nonlinearity between two projections.

    Attributes:
        kind: `attention` or `ffn`.
        node: the softmax or fused attention, or the nonlinearity.
        before: the weights that it is computed by, in graph order.
        after: the weights that read it.
        joins: the additions that the result meets first, to what it is computed from: to that itself, to a sum or a
            multiple of it, or to a part of it. Added to something else, such as a point that it refines or a query that
            it gives a position to, it is no residual branch: nothing of its own input would be left without it.
        single: whether it is an attention of one head, which can only go whole.
    """

    kind: str
    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    joins: tuple[str, ...]
    single: bool = False

    def has_units(self, structure: Structure) -> bool:
        """Whether a family has units in it: heads or KV groups before an attention, any on both sides of an FFN.

        A single head needs none.
        """
        if self.single:
            return True
        for family in structure.families:
            if family.kind == "hidden":  # they lie in all that reads or writes a stream
                continue
            tensors = {slot.tensor for slot in family.slots}
            if self.kind == "attention" and family.kind not in NOT_HEADS and tensors & set(self.before):
                return True
            if self.kind == "ffn" and tensors & set(self.before) and tensors & set(self.after):
                return True
        return False

    def is_in_sublayer(self, structure: Structure) -> bool:
        """Whether it is in a sublayer, or its result is added to nothing that it is computed from."""
        return not self.joins or bool({item.add for item in structure.sublayers} & set(self.joins))


def places(program: Program) -> list[Place]:
    """Every attention and feed-forward, in graph order."""
    graph = _Graph(program)
    found = [graph.attention(node) or graph.ffn(node) for node in program.graph.nodes]
    one_each = {(place.kind, place.before, place.after, place.joins): place for place in reversed(found) if place}
    return list(reversed(one_each.values()))


class _Graph:
    """A graph, and which of its nodes are computed from its inputs."""

    def __init__(self, program: Program) -> None:
        graph = program.graph
        self._numbers = {item.name for item in program.inputs if item.dtype.is_floating_point}
        self._order = {node: index for index, node in enumerate(graph.nodes)}
        self._active: set[fx.Node] = set()
        for node in graph.nodes:
            if node.op == "placeholder" or any(source in self._active for source in node.all_input_nodes):
                self._active.add(node)
        self._joining: dict[fx.Node, bool] = {}
        self._shapes = _shapes(program, [_scored(node) for node in graph.nodes if _name(node) in ATTENDING])

    def attention(self, node: fx.Node) -> Place | None:
        """The attention whose weights `node` computes: fused, or a softmax between two products of activations."""
        if _name(node) not in ATTENDING:
            return None
        if _name(node) == ATTENDING[0]:
            sources = self._walk(node.all_input_nodes[:3], _sources, self._is_projection)
            results = [node]
        else:
            scores = [item for item in self._walk(_sources(node), _sources, self._is_product) if self._mixes(item)]
            results = [item for item in self._walk(node.users, _users, self._is_product) if self._mixes(item)]
            if not scores or not results:
                return None
            sources = self._walk([item for end in (*scores, *results) for item in _sources(end)],
                                 _sources, self._is_projection)  # fmt: skip
        after = self._walk([user for item in results for user in item.users], _users, self._is_projection)
        single = _is_single(self._shapes[_scored(node)])
        joins = self._joins(node, after)
        return Place("attention", node.name, self._weights(sources), self._weights(after), joins, single)

    def ffn(self, node: fx.Node) -> Place | None:
        """The feed-forward around a nonlinearity: one projection before it and one after it, and no other between.

        The gate of an attention or a scan is none: it scales what a product of two activations mixed over tokens.
        """
        if _name(node) not in NONLINEAR or node not in self._active:
            return None
        before = self._walk(_sources(node), _sources, self._ends)
        after = self._walk(node.users, _users, lambda user: self._ends(user) or self._adds(user))
        after = [item for item in after if self._is_projection(item)]
        if len(before) != 1 or not self._is_projection(before[0]) or not after or self._gates(node):
            return None
        return Place("ffn", node.name, self._weights(before), self._weights(after), self._joins(node, after))

    def _gates(self, node: fx.Node) -> bool:
        """Whether the first product place by place that `node` goes into scales what is mixed over tokens."""
        scaled = self._walk(node.users, _users, lambda user: self._ends(user) or len(self._operands(user)) > 1)
        partners = [item for user in scaled if _name(user) == "mul" for item in self._operands(user)]
        mixed = self._walk(partners, _sources, lambda item: self._is_product(item) or _name(item) in MIXERS)
        return any(_name(item) in MIXERS or self._mixes(item) for item in mixed)

    def _walk(
        self, start: Iterable[fx.Node], step: Callable[[fx.Node], Iterable[fx.Node]], stop: Callable[[fx.Node], bool]
    ) -> list[fx.Node]:
        """The first nodes for which `stop` holds on every way of steps from `start`, in graph order."""
        found: set[fx.Node] = set()
        seen: set[fx.Node] = set()
        stack = list(start)
        while stack:
            node = stack.pop()
            if node in seen or node not in self._active:
                continue
            seen.add(node)
            if stop(node):
                found.add(node)
            else:
                stack.extend(step(node))
        return sorted(found, key=self._order.__getitem__)

    def _operands(self, node: fx.Node) -> list[fx.Node]:
        return [item for item in node.all_input_nodes if item in self._active]

    def _is_product(self, node: fx.Node) -> bool:
        return _name(node) in PROJECTIONS or _name(node) in CONVOLUTIONS

    def _mixes(self, node: fx.Node) -> bool:
        """Whether it multiplies two activations."""
        return _name(node) in PROJECTIONS and len(self._operands(node)) > 1 and not self._weights([node])

    def _is_projection(self, node: fx.Node) -> bool:
        """Whether it multiplies an activation by a weight."""
        return _name(node) in PROJECTIONS and bool(self._weights([node]))

    def _ends(self, node: fx.Node) -> bool:
        return self._is_product(node) or _name(node) in BARRIERS

    def _adds(self, node: fx.Node) -> bool:
        """Whether it adds two activations that come from more than one product, norm or input, as a residual does."""
        if node not in self._joining:
            adds = _name(node) == "add" and len(self._operands(node)) > 1
            self._joining[node] = adds and len(self._walk(_sources(node), _sources, self._begins)) > 1
        return self._joining[node]

    def _begins(self, node: fx.Node) -> bool:
        return self._ends(node) or (node.op == "placeholder" and node.name in self._numbers)

    def _weights(self, nodes: Iterable[fx.Node]) -> tuple[str, ...]:
        """The tensors with axes to cut that the nodes multiply by."""
        return tuple(dict.fromkeys(name for node in nodes for name in self._read(node)))

    def _read(self, node: fx.Node) -> Iterator[str]:
        stack = [item for item in node.all_input_nodes if item not in self._active]
        while stack:
            item = stack.pop(0)
            if item.op == "get_attr":
                yield str(item.target)
            stack.extend(item.all_input_nodes)

    def _joins(self, place: fx.Node, nodes: Iterable[fx.Node]) -> tuple[str, ...]:
        """The first additions after `nodes` to what `place` is computed from, and those that only sum up such a sum."""
        adds = self._walk([user for node in nodes for user in node.users], _users, self._joins_or_ends)
        adds = [add for add in adds if self._adds(add)]
        for add in adds:
            then = self._walk(add.users, _users, lambda user: self._joins_or_ends(user) or self._ends(user))
            adds.extend(item for item in then if len(then) == 1 and self._adds(item) and item not in adds)
        before = self._sources_of(place)
        return tuple(add.name for add in adds if any(before & self._made_of(item) for item in self._operands(add)))

    def _sources_of(self, node: fx.Node) -> set[fx.Node]:
        """Everything that `node` is computed from."""
        seen: set[fx.Node] = set()
        stack = self._operands(node)
        while stack:
            item = stack.pop()
            if item not in seen:
                seen.add(item)
                stack.extend(self._operands(item))
        return seen

    def _made_of(self, node: fx.Node) -> set[fx.Node]:
        """`node`, and what it is a sum, a multiple or a part of."""
        found: set[fx.Node] = set()
        stack = [node]
        while stack:
            item = stack.pop()
            found.add(item)
            operands = self._operands(item)
            if _name(item) == "add" or (_name(item) in ("mul", "div") and len(operands) == 1):
                stack.extend(operands)
            elif _name(item) in PARTS:
                stack.append(item.all_input_nodes[0])
        return found

    def _joins_or_ends(self, node: fx.Node) -> bool:
        return self._adds(node) or self._is_product(node)


def _scored(node: fx.Node) -> fx.Node:
    """What of an attention has an axis of heads, before those of tokens and of their scores or features."""
    return node if "softmax" in _name(node) else node.all_input_nodes[0]


def _shapes(program: Program, nodes: list[fx.Node]) -> dict[fx.Node, torch.Size]:
    """The shapes that values have on the program's example."""
    with torch.no_grad():
        values = evaluate(program, input_values(program, program.example), nodes)
    return {node: value.shape for node, value in values.items()}


def _is_single(shape: torch.Size) -> bool:
    """Whether all is of size 1 between the batch and the last two axes, where heads and windows are."""
    return len(shape) > 3 and shape[1:-2].numel() == 1


def _sources(node: fx.Node) -> list[fx.Node]:
    return node.all_input_nodes


def _users(node: fx.Node) -> list[fx.Node]:
    return list(node.users)


def _name(node: fx.Node) -> str:
    return str(operator(node)).rpartition(".")[2] if node.op == "call_function" else ""
