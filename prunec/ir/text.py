"""Programs as text: one line a node, tensors as shapes, stable from run to run."""

from __future__ import annotations

import re

import torch
from torch import fx

from prunec.ir.program import Program


def to_text(program: Program) -> str:
    """Render `program`: a header with inputs and outputs, then one line a node."""
    lines = ["program {"]
    presents = {pair.past: f" -> {pair.present}" for pair in program.caches}
    for item in program.inputs:
        axes = [f"{axis}={name}" for axis, name in sorted(item.axes.items())]
        axes += [f"{name} fixed at {size}" for name, size in item.fixed.items()]
        lines.append(f"  input %{item.name}: {_dtype(item.dtype)} ({', '.join(axes)}){presents.get(item.name, '')}")
    for name, tensor in program.tensors().items():
        lines.append(f"  tensor @{name}: {_dtype(tensor.dtype)}{list(tensor.shape)}")
    lines.extend(f"  {node_text(node)}" for node in program.graph.nodes if node.op == "call_function")
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    for name, value in zip(program.outputs, outputs, strict=True):
        lines.append(f"  output {name} = {_argument(value)}")
    return "\n".join([*lines, "}"]) + "\n"


def node_text(node: fx.Node) -> str:
    """One node: `%name = operator(arguments)`."""
    arguments = [_argument(argument) for argument in node.args]
    arguments += [f"{key}={_argument(value)}" for key, value in sorted(node.kwargs.items())]
    return f"%{node.name} = {operator_name(node)}({', '.join(arguments)})"


def operator_name(node: fx.Node) -> str:
    """The operator of a call, as `aten.linear.default` or `mul` for plain Python arithmetic."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target)
    return getattr(node.target, "__name__", str(node.target))


def _argument(value: object) -> str:
    if isinstance(value, fx.Node):
        return f"@{value.target}" if value.op == "get_attr" else f"%{value.name}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_argument(item) for item in value)}]"
    if isinstance(value, torch.dtype):
        return _dtype(value)
    return repr(value)


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def signature(program: Program) -> str:
    """The program's text without names: two programs with equal signatures differ in weights only."""
    names: dict[str, str] = {}
    text = to_text(program)
    for node in program.graph.nodes:
        kind = "@" if node.op == "get_attr" else "%"
        names.setdefault(f"{kind}{node.target if node.op == 'get_attr' else node.name}", f"{kind}{len(names)}")
    return re.sub(r"[@%][\w.]+", lambda match: names.get(match[0], match[0]), text).replace(
        f"output {program.outputs[0]}", "output"
    )
