"""The label interpreter: runs a program's graph once, on shapes and labels, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.ir.labels import attention, contraction, elementwise, lookup, movement, reduction  # noqa: F401 fill RULES
from prunec.ir.labels.contraction import refuse
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, find_rule
from prunec.ir.labels.value import Labelled, axis_plane, compact
from prunec.ir.program import Program


@dataclass(frozen=True)
class LabelFlow:
    """The outcome of one run.

    Attributes:
        tensors: per tensor name, the label array of each axis.
        values: what each node held.
        ledger: what ties labels together or down.
    """

    tensors: dict[str, tuple[Tensor, ...]]
    values: dict[fx.Node, Any]
    ledger: Ledger

    def removed(self, cuts: dict[tuple[str, int], np.ndarray]) -> np.ndarray:
        """Which labels go with the tensor indices in `cuts`: a bool array over labels.

        A label that stands for many (see `Ledger.repeated`) goes with the last of them.
        """
        gone = np.zeros(self.ledger.size, dtype=bool)
        for (name, dim), indices in cuts.items():
            gone[self.tensors[name][dim].numpy()[indices]] = True
        if self.ledger.repeated:
            pairs = np.concatenate(self.ledger.repeated)
            total = np.bincount(pairs[:, 1], minlength=len(gone))
            for _ in range(4):  # narrow labels of narrow labels: a chain is a few links at most
                lost = np.bincount(pairs[:, 1], weights=gone[pairs[:, 0]], minlength=len(gone))
                grown = gone | ((total > 0) & (lost == total))
                if (grown == gone).all():
                    break
                gone = grown
        return gone


def run_flow(program: Program) -> LabelFlow:
    """Run label flow for one sequence of one token. Weights are never read, so fake ones do."""
    flow = LabelFlow({}, {}, Ledger())
    aliases: dict[int, tuple[Tensor, ...]] = {}
    axes = {item.name: item.axes for item in program.inputs}
    placeholders = iter(program.inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder":
            item = next(placeholders)
            shape = [
                1 if axis in axes[item.name] else size for axis, size in enumerate(program.example[item.name].shape)
            ]
            flow.values[node] = Labelled(torch.empty(shape, dtype=item.dtype, device="meta"))
        elif node.op == "get_attr":
            flow.values[node] = _tensor(flow, program.tensor(node.target), node.target, aliases)
        elif node.op == "call_function":
            flow.values[node] = _call(flow, node)
        elif node.op == "output":
            for value in node.args[0]:
                for plane in flow.values[value].planes:
                    flow.ledger.pin(plane, "is an output of the graph")
    return flow


def _tensor(flow: LabelFlow, tensor: Tensor, name: str, aliases: dict[int, tuple[Tensor, ...]]) -> Labelled:
    if not tensor.is_floating_point():  # tables of positions and the like are looked up, never cut
        flow.tensors[name] = ()
        return Labelled(torch.empty_like(tensor, device="meta"))
    if id(tensor) not in aliases:
        aliases[id(tensor)] = tuple(flow.ledger.fresh(size) for size in tensor.shape)
    labels = flow.tensors[name] = aliases[id(tensor)]
    planes = tuple(axis_plane(own, tensor.shape, axis) for axis, own in enumerate(labels))
    return Labelled(torch.empty_like(tensor, device="meta"), planes)


def _call(flow: LabelFlow, node: fx.Node) -> Any:
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), flow.values.__getitem__)
    meta = _run_on_meta(node, args, kwargs)
    if not isinstance(meta, (Tensor, tuple, list)) or node.target.__module__ == "_operator":  # type: ignore[union-attr]
        return meta if not isinstance(args[0], (list, tuple)) else args[0][args[1]]
    call = Call(node, tuple(args), dict(kwargs), meta)
    found = find_rule(node.target)
    planes = found(call, flow.ledger) if found else _without_rule(call, flow.ledger)
    if isinstance(meta, Tensor):
        return Labelled(meta, tuple(map(compact, planes)))  # type: ignore[arg-type]
    return [Labelled(item, tuple(map(compact, own))) for item, own in zip(meta, planes or [()] * len(meta), strict=True)]


def _without_rule(call: Call, ledger: Ledger) -> tuple[Tensor, ...]:
    """Pin what an unknown operator touches; one that touches no labels needs no rule."""
    touches = any(isinstance(value, Labelled) and value.planes for value in _flat(call.args))
    return refuse(call, ledger, "has an operator without a label rule") if touches else ()


def _run_on_meta(node: fx.Node, args: Any, kwargs: Any) -> Any:
    def shape_only(value: Any) -> Any:
        return (
            value.meta
            if isinstance(value, Labelled)
            else torch.device("meta")
            if isinstance(value, torch.device)
            else value
        )

    args, kwargs = torch.utils._pytree.tree_map(
        shape_only, (args, kwargs), is_leaf=lambda value: isinstance(value, Labelled)
    )
    if isinstance(node.target, torch._ops.OpOverload) and not any(isinstance(value, Tensor) for value in _flat(args)):
        if any(argument.name == "device" for argument in node.target._schema.arguments):
            kwargs = {**kwargs, "device": torch.device("meta")}
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]
