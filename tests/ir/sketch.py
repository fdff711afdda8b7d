"""Small programs drawn call by call, and what label flow says about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.ir.labels import LabelFlow, run_flow
from prunec.ir.program import Input, Program, Provenance, build_module
from prunec.ir.survivors import Survivors

aten = torch.ops.aten


class Sketch:
    """A graph in the making: inputs and weights are random, of the given shapes."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.example: dict[str, Tensor] = {}
        self.axes: dict[str, dict[int, str]] = {}
        self.tensors: dict[str, Tensor] = {}

    def input(self, name: str, *shape: int, axes: dict[int, str] | None = None) -> fx.Node:
        """An input, static but for `axes`."""
        self.axes[name] = axes or {}
        return self.integers(name, torch.randn(shape))

    def integers(self, name: str, value: Tensor) -> fx.Node:
        """An input with an example of its own."""
        self.example[name] = value
        self.axes.setdefault(name, {})
        return self.graph.placeholder(name)

    def weight(self, name: str, *shape: int) -> fx.Node:
        """A stored tensor."""
        return self.stored(name, torch.randn(shape))

    def stored(self, name: str, value: Tensor) -> fx.Node:
        """A stored tensor with a value of its own."""
        self.tensors[name] = value
        return self.graph.get_attr(name)

    def __call__(self, operator: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """A call."""
        return self.graph.call_function(operator, args, kwargs)

    def linear(self, name: str, x: fx.Node, out: int, inner: int) -> fx.Node:
        """`x @ name.T` with a weight `[out, inner]`."""
        return self(aten.linear.default, x, self.weight(name, out, inner))

    def program(self, *outputs: fx.Node) -> Program:
        """The program that returns `outputs`."""
        self.graph.output(outputs)
        inputs = tuple(Input(name, value.dtype, self.axes[name]) for name, value in self.example.items())
        names = tuple(f"output_{index}" for index in range(len(outputs)))
        module = build_module(self.graph, self.tensors)
        return Program(module, inputs, names, self.example, Provenance("a test", "Sketch", "test"))


class Seen:
    """What label flow sees in a sketch.

    Args:
        sketch: the sketch, not finished yet.
        outputs: what it returns.
    """

    def __init__(self, sketch: Sketch, *outputs: fx.Node) -> None:
        self.program = sketch.program(*outputs)
        self.flow: LabelFlow = run_flow(self.program)
        self._nodes = {node.name: node for node in self.program.graph.nodes}

    def tied(self, first: tuple[str, int], second: tuple[str, int]) -> bool:
        """Whether the indices of two tensor axes go together one by one."""
        one, two = (self.flow.tied[self.flow.tensors[name][dim].numpy()] for name, dim in (first, second))
        return bool(len(set(one.tolist())) == len(one) and np.array_equal(one, two))

    def pinned(self, name: str, dim: int) -> list[int]:
        """The indices along a tensor axis that are tied to something that stays."""
        stay = {int(group) for labels, _ in self.flow.ledger.pins for group in self.flow.tied[labels]}
        groups = self.flow.tied[self.flow.tensors[name][dim].numpy()]
        return [index for index, group in enumerate(groups.tolist()) if group in stay]

    def alive(self, node: fx.Node, axis: int, **cuts: list[int]) -> list[bool]:
        """What survives along `axis` of `node` when rows `cuts` of tensors go; a name is `tensor` or `tensor__dim`."""
        return [bool(left) for left in self.survivors(**cuts).alive(self._nodes[node.name], axis)]

    def survivors(self, **cuts: list[int]) -> Survivors:
        """The survivors of cuts, named as for `alive`."""
        named = {}
        for name, indices in cuts.items():
            tensor, _, dim = name.partition("__")
            named[tensor, int(dim or 0)] = np.array(indices)
        return Survivors(self.flow, self.flow.removed(named))
