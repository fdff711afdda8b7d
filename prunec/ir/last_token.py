"""The logits of the last token alone: all that generation reads of a prompt, and a fraction of the work.

The output head is a product with the whole vocabulary for every token: of SmolLM2-135M, a fifth of all operations. What
comes before it is left out for the other tokens, too, as far as it treats each token alone: that is the last
feed-forward and the projection of the last attention, which nothing else reads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode

from prunec.errors import InputError
from prunec.ir.execute import evaluate, input_values
from prunec.ir.nodes import arguments, read
from prunec.ir.program import Program, build_module

aten = torch.ops.aten

OUTPUT = "logits"
SCALARWISE = {aten.div.Tensor, aten.mul.Tensor, aten.tanh.default, aten.to.dtype, aten._to_copy.default}
"""What may follow the head where it has no second operand, as a bound on logits does."""
TOKENWISE = {
    aten.add.Tensor, aten.div.Tensor, aten.gelu.default, aten.mul.Tensor, aten.neg.default, aten.pow.Tensor_Scalar,
    aten.relu.default, aten.rsqrt.default, aten.sigmoid.default, aten.silu.default, aten.sub.Tensor, aten.tanh.default,
    aten.to.dtype, aten._to_copy.default, aten.linear.default, aten.layer_norm.default, aten.mean.dim,
}  # fmt: skip
"""Operators that compute each token of a result from the same token of their arguments, over the last axis at most."""


@dataclass(frozen=True)
class _Sizes:
    """Every shape of the example, and `[batch, tokens]` of the states that the head reads."""

    tokens: torch.Size
    shapes: Mapping[fx.Node, torch.Size]

    def has_tokens(self, node: fx.Node) -> bool:
        """Whether a value is `[batch, tokens, size]`."""
        shape = self.shapes.get(node, ())
        return len(shape) == 3 and shape[:2] == self.tokens

    def is_tokenwise(self, node: fx.Node) -> bool:
        """Whether a token of what `node` gives is computed from the same token of what it takes, and from weights."""
        if node.target not in TOKENWISE or not self.has_tokens(node):
            return False
        if node.target is aten.linear.default:
            return True
        if node.target is aten.mean.dim and arguments(node)[1:3] != [[-1], True]:
            return False
        if node.target is aten.layer_norm.default and len(arguments(node)[1]) != 1:
            return False
        return all(self.has_tokens(item) or len(self.shapes.get(item, ())) < 2 for item in node.all_input_nodes)


def last_token(program: Program) -> Program:
    """`program` with the output `logits` for the last position alone: `[batch, 1, vocabulary]`.

    Prompts of several lengths are then padded on the left, as they are for generation.

    Raises:
        InputError: there is no such output, or no product of `[batch, tokens, size]` makes it that nothing else reads.
    """
    copies: dict[fx.Node, fx.Node] = {}
    graph = fx.Graph()
    graph.output(graph.graph_copy(program.graph, copies))
    head = _head(graph, program)
    shapes = {copies[node]: shape for node, shape in _shapes(program).items()}
    sizes = _Sizes(shapes[read(head, 0)][:2], shapes)
    if not sizes.has_tokens(read(head, 0)):
        raise _without_head(program)
    last: dict[fx.Node, fx.Node] = {}
    alone = _for_last_alone(head, sizes)
    for node in alone:
        for source in node.all_input_nodes:
            if source not in alone and sizes.has_tokens(source):
                if source not in last:
                    with graph.inserting_after(source):
                        last[source] = graph.call_function(aten.slice.Tensor, (source, 1, -1, sys.maxsize))
                node.replace_input_with(source, last[source])
    return program.with_module(build_module(graph, program.tensors()))


def _head(graph: fx.Graph, program: Program) -> fx.Node:
    """The product that makes the logits."""
    (output,) = graph.find_nodes(op="output")
    results: Any = output.args[0]
    node: fx.Node | None = results[program.outputs.index(OUTPUT)] if OUTPUT in program.outputs else None
    while node is not None and len(node.users) == 1:
        if node.target is aten.linear.default:
            return node
        alone = node.target in SCALARWISE and len(node.all_input_nodes) == 1
        node = node.all_input_nodes[0] if alone else None
    raise _without_head(program)


def _without_head(program: Program) -> InputError:
    model = program.provenance.model_class
    return InputError(
        f"logits of the last token alone cannot be had of {model}: it has no output head that is one product",
        "leave --logits out",
    )


def _shapes(program: Program) -> dict[fx.Node, torch.Size]:
    """The shape of every tensor of the example, found without data."""
    nodes = [node for node in program.graph.nodes if node.op != "output"]
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        example = {name: mode.from_tensor(value, static_shapes=True) for name, value in program.example.items()}
        values = evaluate(program, input_values(program, example), nodes)
    return {node: value.shape for node, value in values.items() if isinstance(value, Tensor)}


def _for_last_alone(head: fx.Node, sizes: _Sizes) -> dict[fx.Node, None]:
    """The head, and the calls before it that treat each token alone and that nothing else reads."""
    alone = {head: None}
    for node in reversed(head.graph.nodes):
        if node.users and all(user in alone for user in node.users) and sizes.is_tokenwise(node):
            alone[node] = None
    return alone
