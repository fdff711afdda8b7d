"""The label interpreter: runs a program's graph once, on shapes and labels, without its weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_map

from prunec.errors import PassError
from prunec.ir.execute import evaluate, input_values
from prunec.ir.labels import (  # noqa: F401 fill RULES
    attention,
    contraction,
    convolution,
    elementwise,
    filling,
    grouped,
    joining,
    lookup,
    movement,
    normalisation,
    places,
    reduction,
    spatial,
)
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.removal import Removal
from prunec.ir.labels.rules import FOLLOWERS, MAKERS, Call, Result, find_rule, refuse
from prunec.ir.labels.value import Labelled, axis_plane, compact, varying_axes
from prunec.ir.nodes import function, is_number, operator
from prunec.ir.program import Program, axis_size
from prunec.ir.text import node_text

_EMPTY = "is empty for the example"
_SIZES = (torch.ops.aten.sym_size, torch.ops.aten.sym_numel, torch.ops.aten.sym_stride)


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

        Labels tied to one that goes, go. A label that stands for many (see `Ledger.repeated`) goes
        with the last of them.
        """
        named = [self.tensors[name][dim].numpy()[indices] for (name, dim), indices in cuts.items()]
        return self._removal.gone(np.concatenate([np.zeros(0, dtype=np.int64), *named]))

    @cached_property
    def _removal(self) -> Removal:
        return Removal(self.tied, self.ledger.repeated)

    @cached_property
    def tied(self) -> np.ndarray:
        """Group id of each label: those that ties join, directly or over others."""
        return self.ledger.components(self.ledger.tied)


def run_flow(program: Program) -> LabelFlow:
    """Run label flow for two sequences of two tokens, or as long as the example where that is too short.

    With one of each, an axis that is merged with them and taken apart in another order would seem to be whole.

    Weights are read only where a shape depends on what the model computes on its example, such as how many
    tokens an expert gets.

    Raises:
        PassError: torch cannot tell the shape of a call's result; the call is named.
    """
    short = {item.name: _shape(program.example[item.name], item.axes) for item in program.inputs}
    try:
        flow = _Run(program).flow(short)
    except PassError:
        flow = None
    if flow is None or _EMPTY in flow.ledger.refused.values():
        long = {name: tensor.shape for name, tensor in program.example.items()}
        flow = _Run(program, computes=True).flow(long)
    return flow


def _shape(example: Tensor, dynamic: Mapping[int, str]) -> list[int]:
    """The shape where every named size is 2: `past + sequence` is 4."""
    twos = defaultdict[str, int](lambda: 2)
    return [axis_size(dynamic[axis], twos) if axis in dynamic else size for axis, size in enumerate(example.shape)]


class _Run:
    """One run over a program.

    Args:
        program: whose graph is run.
        computes: whether values that shapes depend on are computed on the program's example.
    """

    def __init__(self, program: Program, computes: bool = False) -> None:
        self.program, self.computes = program, computes
        self.result = LabelFlow({}, {}, Ledger())

    def flow(self, shapes: Mapping[str, Iterable[int]]) -> LabelFlow:
        """Run on inputs of `shapes`."""
        flow, aliases = self.result, dict[int, tuple[Tensor, ...]]()
        inputs = iter(self.program.inputs)
        cached = {pair.past for pair in self.program.caches}
        handed_on = {pair.present for pair in self.program.caches}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                item = next(inputs)
                meta = torch.empty(tuple(shapes[item.name]), dtype=item.dtype, device="meta")
                flow.values[node] = Labelled(meta, _cache_planes(flow, meta) if item.name in cached else ())
            elif node.op == "get_attr":
                flow.values[node] = _tensor(flow, self.program.tensor(node.target), node.target, aliases)
            elif node.op == "call_function":
                flow.values[node] = self._call(node)
            elif node.op == "output":
                for name, value in zip(self.program.outputs, node.args[0], strict=True):
                    flow.ledger.pin_domain(flow.values[value], "is an output of the graph")
                    for plane in () if name in handed_on else flow.values[value].planes:
                        flow.ledger.give(plane, value)
        return flow

    def _call(self, node: fx.Node) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.result.values.__getitem__)
        if not isinstance(node.target, torch._ops.OpOverload):
            return _plain(node, args, kwargs)
        meta = self._meta(node, node.target, args, kwargs)
        call = Call(node, tuple(args), dict(kwargs), meta)
        if not isinstance(meta, (Tensor, tuple, list)):
            _pin_size(node, args, self.result.ledger)
            _pin_numbers(call, self.result.ledger)
            return meta
        results = _results(meta, _planes(call, self.result.ledger))
        results = [replace(item, planes=tuple(map(compact, item.planes))) for item in results]
        return results[0] if isinstance(meta, Tensor) else results

    def _meta(self, node: fx.Node, target: torch._ops.OpOverload[..., Any], args: Any, kwargs: Any) -> Any:
        """What the call returns, without numbers where it is a tensor."""
        try:
            return _run_on_meta(target, args, kwargs)
        except Exception as error:  # Kernels raise what they like.
            reason = str(error).partition("\n")[0]
            unknown = PassError(f"the shape of {node_text(node)} is not known: {reason}", "trace it another way")
            if not self.computes:
                raise unknown from error
            try:
                return tree_map(_without_numbers, self._computed(node))
            except Exception:
                raise unknown from error

    def _computed(self, node: fx.Node) -> Any:
        """The value of the call on the program's example."""
        with torch.no_grad():
            return evaluate(self.program, input_values(self.program, self.program.example), [node])[node]


def _cache_planes(flow: LabelFlow, meta: Tensor) -> tuple[Tensor, ...]:
    """A label per head and place in it of a cache `[batch, heads, tokens, size]`: it shrinks with its heads."""
    _, heads, _, size = meta.shape
    return (flow.ledger.fresh(heads * size).view(1, heads, 1, size).expand(meta.shape),)


def _tensor(flow: LabelFlow, tensor: Tensor, name: str, aliases: dict[int, tuple[Tensor, ...]]) -> Labelled:
    meta = torch.empty_like(tensor, device="meta")
    if not tensor.is_floating_point():  # tables of positions and the like are looked up, never cut
        flow.tensors[name] = ()
        return Labelled(meta)
    if id(tensor) not in aliases:
        aliases[id(tensor)] = tuple(flow.ledger.fresh(size) for size in tensor.shape)
    labels = flow.tensors[name] = aliases[id(tensor)]
    return Labelled(meta, tuple(axis_plane(own, tensor.shape, axis) for axis, own in enumerate(labels)))


def _plain(node: fx.Node, args: Any, kwargs: Any) -> Any:
    """Arithmetic on sizes, or the choice of one result of several."""
    return function(node)(*args, **kwargs)


def _pin_size(node: fx.Node, args: Any, ledger: Ledger) -> None:
    """A size that the graph computes numbers from, such as a scale, stays as it is."""
    if operator(node) is torch.ops.aten.sym_size and is_number(node):
        for plane in (plane for plane in args[0].planes if args[1] % plane.dim() in varying_axes(plane)):
            ledger.pin(plane, f"numbers are computed from its size, {node.name}")


def _planes(call: Call, ledger: Ledger) -> Result:
    """What the operator's rule says; without a rule that applies, all that the call touches is pinned."""
    rule = find_rule(call.node.target)
    if rule not in MAKERS and not any(value.planes or value.domain is not None for value in call.labelled()):
        return ()
    if rule is None:
        return refuse(call, ledger, "has an operator without a label rule")
    if _is_empty(call):
        return refuse(call, ledger, _EMPTY)
    if rule not in FOLLOWERS:
        _pin_numbers(call, ledger)
    try:
        planes = rule(call, ledger)
        _check_shapes(call.meta, planes)
    except Exception as error:  # A rule meets what its author did not think of: nothing is cut there.
        return refuse(call, ledger, f"is used as its label rule does not expect ({error or type(error).__name__})")
    return planes


def _is_empty(call: Call) -> bool:
    """Whether a result has no element that a label could stand at, and that not for a cut along labels."""
    results = [call.meta] if isinstance(call.meta, Tensor) else call.meta
    labelled = {axis for value in call.labelled() for plane in value.planes for axis in varying_axes(plane)}
    empty = [value for value in results if isinstance(value, Tensor) and not value.numel()]
    return any(axis not in labelled for value in empty for axis, size in enumerate(value.shape) if not size)


def _pin_numbers(call: Call, ledger: Ledger) -> None:
    """Pin what the numbers of the arguments are places on: to the call they are numbers like any other."""
    if operator(call.node) in _SIZES:
        return
    for value in call.labelled():
        ledger.pin_domain(value, f"{call.node.name} takes places from it")


def _results(meta: Any, own: Any) -> list[Labelled]:
    """Every result of a call, from what its rule says."""
    pairs = [(meta, own)] if isinstance(meta, Tensor) else zip(meta, own or [()] * len(meta), strict=True)
    return [each if isinstance(each, Labelled) else Labelled(item, each) for item, each in pairs]


def _check_shapes(meta: Any, own: Any) -> None:
    for value in _results(meta, own):
        for plane in value.planes:
            if plane.shape != value.shape:
                raise ValueError(f"labels are laid out as {list(plane.shape)}, the result as {list(value.shape)}")


def _run_on_meta(target: torch._ops.OpOverload[..., Any], args: Any, kwargs: Any) -> Any:
    """The call on tensors without numbers."""
    args, kwargs = tree_map(_shape_only, (args, kwargs), is_leaf=lambda value: isinstance(value, Labelled))
    makes_tensor = any(argument.name == "device" for argument in target._schema.arguments)
    if makes_tensor and not any(isinstance(value, Tensor) for value in _flat(args)):
        kwargs = {**kwargs, "device": torch.device("meta")}
    return target(*args, **kwargs)


def _without_numbers(value: Any) -> Any:
    """A tensor's shape and type; where the example happens to have none of something, one stands for it."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty([max(1, size) for size in value.shape], dtype=value.dtype, device="meta")


def _shape_only(value: Any) -> Any:
    if isinstance(value, Labelled):
        return value.meta
    return torch.device("meta") if isinstance(value, torch.device) else value


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]
