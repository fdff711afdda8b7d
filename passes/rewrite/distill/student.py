"""The student: the slim program with weights that can be trained, and the streams that it is taught by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from prunec.facts import Plan, Structure
from prunec.ir.devices import on_device
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program


@dataclass(frozen=True)
class Student:
    """A copy of the slim program whose parameters are trained.

    Attributes:
        program: the copy, on the device of training. It reads `weights`.
        weights: by the first of its names, each parameter once, in single precision at least. Tables of embeddings are
            not among them, nor what is tied to one: nothing was removed from these, and on a language model training
            them, its head with them, took 18 % more time and gained nothing. Nor are buffers and constants, such as
            rotary tables and masks.
    """

    program: Program
    weights: dict[str, nn.Parameter]

    @staticmethod
    def of(slim: Program, device: torch.device) -> Student:
        """A student that starts where `slim` is."""
        names = _trainable(slim)
        weights = {name: nn.Parameter(_single(slim.tensor(name)).to(device, copy=True)) for name in set(names.values())}
        read: dict[str, Tensor] = {name: weights[first] for name, first in names.items()}
        return Student(on_device(slim, device, read), {name: weights[name] for name in names if name in weights})

    def values(self) -> dict[str, Tensor]:
        """A copy of the weights as they are now."""
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Put `values` in the place of the weights."""
        for name, weight in self.weights.items():
            weight.data.copy_(values[name])


def with_values(slim: Program, values: Mapping[str, Tensor]) -> Program:
    """`slim` with trained `values`, in its own types and on its own devices; what was tied stays tied."""
    made = {
        name: nn.Parameter(value.to(slim.tensor(name)).contiguous(), requires_grad=False)
        for name, value in values.items()
    }
    read: dict[str, Tensor] = {name: made[first] for name, first in _trainable(slim).items()}
    return on_device(slim, torch.device("cpu"), read)


def surviving_streams(structure: Structure, plan: Plan) -> list[str]:
    """The additions to the residual stream that both programs have, by the names of their nodes."""
    return [item.add for item in structure.sublayers if item.name not in plan.sublayers]


def outputs_and_streams(
    program: Program, batch: Mapping[str, Tensor], streams: Iterable[str]
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """What `program` says of `batch`, and its residual stream at the nodes `streams`, all in single precision."""
    nodes = {node.name: node for node in program.graph.nodes}
    ends, places = output_nodes(program), [nodes[name] for name in streams]
    values: dict[fx.Node, Tensor] = evaluate(program, input_values(program, batch), [*ends, *places])
    outputs = {name: _single(values[node]) for name, node in zip(program.outputs, ends, strict=True)}
    return outputs, [_single(values[node]) for node in places]


def _trainable(slim: Program) -> dict[str, str]:
    """The names of the parameters that are trained, each with the first name of the same tensor."""
    looked_up = slim.graph.find_nodes(op="call_function", target=torch.ops.aten.embedding.default)
    tables = {id(slim.tensor(node.args[0].target)) for node in looked_up if node.args[0].op == "get_attr"}
    first: dict[int, str] = {}
    found = {}
    for name, tensor in slim.tensors().items():
        if isinstance(tensor, nn.Parameter) and tensor.is_floating_point() and id(tensor) not in tables:
            found[name] = first.setdefault(id(tensor), name)
    return found


def _single(tensor: Tensor) -> Tensor:
    """`tensor` in single precision where it has less."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
