"""Running a program on shapes alone: which call cannot run, if one cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from prunec.ir.nodes import function
from prunec.ir.program import Program, build_module


@dataclass(frozen=True)
class Failure:
    """The first call that cannot run, and why."""

    node: fx.Node
    why: str


@dataclass(frozen=True)
class Shapes:
    """A program whose tensors and examples have shapes and types but no numbers; it is cut without copying any."""

    program: Program
    mode: FakeTensorMode

    @staticmethod
    def of(program: Program) -> Shapes:
        """The shapes of `program`; tensors that are one stay one."""
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        known: dict[int, Tensor] = {}

        def fake(tensor: Tensor) -> Tensor:
            if id(tensor) not in known:
                known[id(tensor)] = mode.from_tensor(tensor, static_shapes=True)
            return known[id(tensor)]

        tensors = {name: fake(tensor) for name, tensor in program.tensors().items()}
        graph = fx.Graph()
        graph.output(graph.graph_copy(program.graph, {}))
        bare = program.with_module(build_module(graph, tensors))
        return Shapes(replace(bare, example={name: fake(tensor) for name, tensor in program.example.items()}), mode)

    def failure(self) -> Failure | None:
        """The first call that cannot run on the example.

        From an operator whose output shape depends on data, nothing more can be told without data.
        """
        examples = iter([self.program.example[item.name] for item in self.program.inputs])
        values: dict[fx.Node, Any] = {}
        with self.mode, torch.no_grad():
            for node in self.program.graph.nodes:
                if node.op == "placeholder":
                    values[node] = next(examples)
                elif node.op == "get_attr":
                    values[node] = self.program.tensor(node.target)
                elif node.op == "call_function":
                    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                    try:
                        values[node] = function(node)(*args, **kwargs)
                    except (DataDependentOutputException, DynamicOutputShapeException):
                        return None
                    except Exception as error:  # Kernels raise what they like.
                        return Failure(node, _first_line(error))
        return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
