"""Programs as TorchScript source, one line a call: sizes stay computed, where tracing would fix them."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from prunec.ir.program import Program

INFIX: Mapping[object, str] = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.floordiv: "//", operator.truediv: "/",
    operator.mod: "%", operator.eq: "==", operator.ne: "!=", operator.lt: "<", operator.le: "<=", operator.gt: ">",
    operator.ge: ">=", operator.and_: "and", operator.or_: "or",
}  # fmt: skip
CALLS: Mapping[object, str] = {
    operator.neg: "-", operator.not_: "not ", torch.sym_not: "not ", torch.sym_max: "max", torch.sym_min: "min",
    torch.sym_float: "float", torch.sym_int: "int", math.ceil: "math.ceil", math.floor: "math.floor",
}  # fmt: skip


class Unwritable(Exception):
    """A call or a value that TorchScript has no word for."""


def script(program: Program) -> torch.jit.ScriptModule:
    """`program` as a script module that takes the inputs in order and returns a tuple of the outputs.

    Raises:
        Unwritable, RuntimeError: a call cannot be said in TorchScript, or its compiler refuses it.
    """
    # A class of its own: modules of one class with the same attributes would share one `forward`.
    holder = type("Holder", (nn.Module,), {})()
    attributes: dict[str, str] = {}
    for index, (name, tensor) in enumerate(program.tensors().items()):
        attributes[name] = f"t{index}_{''.join(letter if letter.isalnum() else '_' for letter in name)}"
        holder.register_buffer(attributes[name], tensor.detach())
    module: torch.jit.ScriptModule = torch.jit.script(holder.eval())
    module.define(source(program, attributes))
    return module


def source(program: Program, attributes: Mapping[str, str]) -> str:
    """The program as a method; `attributes` names the module's attribute for each tensor."""
    names: dict[fx.Node, str] = {}
    lines: list[str] = []
    for index, node in enumerate(program.graph.nodes):
        names[node] = f"self.{attributes[node.target]}" if node.op == "get_attr" else f"v{index}"
        if node.op == "call_function":
            lines.append(f"    {names[node]} = {_call(node, names)}")
        elif node.op == "output":
            lines.append(f"    return ({''.join(f'{_literal(value, names)}, ' for value in node.args[0])})")
    inputs = [f"{names[node]}: Tensor" for node in program.graph.find_nodes(op="placeholder")]
    return "\n".join([f"def forward(self, {', '.join(inputs)}):", *lines]) + "\n"


def _call(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    arguments = [_literal(argument, names) for argument in node.args]
    if node.target is operator.getitem:
        return f"{arguments[0]}[{arguments[1]}]"
    if node.target in INFIX:
        return f" {INFIX[node.target]} ".join(arguments)
    if node.target in CALLS:
        return f"{CALLS[node.target]}({', '.join(arguments)})"
    if node.target is torch.ops.aten.sym_size.int:
        return f"torch.ops.aten.size({', '.join(arguments)})"
    if isinstance(node.target, torch._ops.OpOverload):
        arguments += [f"{key}={_literal(argument, names)}" for key, argument in node.kwargs.items()]
        namespace, _, name = node.target._schema.name.partition("::")
        return f"torch.ops.{namespace}.{name}({', '.join(arguments)})"
    raise Unwritable(f"TorchScript has no word for {node.target}")


def _literal(value: Any, names: Mapping[fx.Node, str]) -> str:
    """`value` as TorchScript spells it."""
    if isinstance(value, fx.Node):
        return names[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(item, names) for item in value)}]"
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"float('{value}')"
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return str(value)
    if isinstance(value, torch.device):
        return f"torch.device('{value}')"
    raise Unwritable(f"TorchScript has no word for {value!r}")
