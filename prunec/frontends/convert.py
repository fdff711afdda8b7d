"""From an exported program to a `Program`: parameters by name, the wanted outputs only, tidied."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils._pytree import TreeSpec

from prunec.errors import InputError
from prunec.frontends.diagnosis import node_place
from prunec.frontends.stored import settle_stored
from prunec.frontends.trace import Traced, quiet
from prunec.ir.program import CachePair, Input, Program, Provenance, build_module
from prunec.ir.tidy import is_mutating, tidy

_TENSOR_KINDS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def to_program(
    traced: Traced,
    *,
    outputs: Collection[str],
    preferred_names: Collection[str],
    provenance: Provenance,
    cache: str | None = None,
    aside: Collection[str] = (),
) -> Program:
    """Convert what was traced.

    Args:
        traced: a training-level export with keyword inputs.
        outputs: which outputs to keep besides the cache; all of them where the model has none of these.
        preferred_names: where tensors are tied, the name to use (those in the checkpoint).
        provenance: where the model came from.
        cache: the argument and output that is the key-value cache, where it was traced with one.
        aside: outputs, single or several under one name, that are left out where the model has others.

    Raises:
        InputError: the model branches on its data, keeps state, or has inputs that are not tensors.
    """
    exported = _functional(traced.exported)
    _check_plain(exported.graph_module.graph, provenance.model_class)
    names = _canonical_names(exported, preferred_names)
    caches = _cache_pairs(exported, traced, cache) if cache else ()
    wanted = [*outputs, *(f"{cache}.{index}" for index in range(len(caches)))]
    positions = _kept_outputs(exported, wanted, aside)
    graph, used = _unlift(exported, names, tuple(positions.values()), traced.placeholders)
    tidy(graph)
    tensors = _frozen(exported, used)
    settle_stored(graph, tensors)
    for node in graph.nodes:
        node.meta = {key: node.meta[key] for key in ("nn_module_stack", "stack_trace") if key in node.meta}
    inputs = tuple(
        Input(name, value.dtype, dict(traced.axes[name]), dict(traced.fixed[name]))
        for name, value in traced.example.items()
    )
    presents = {f"{cache}.{index}": pair.present for index, pair in enumerate(caches)}
    module = build_module(graph, tensors)
    given = tuple(presents.get(name, name) for name in positions)
    return Program(module, inputs, given, dict(traced.example), provenance, caches)


def _cache_pairs(exported: ExportedProgram, traced: Traced, cache: str) -> tuple[CachePair, ...]:
    """The cache's inputs with the outputs that grow them, which torch gives in the same order."""
    pasts = [name for name in traced.example if name.startswith(f"{cache}.")]
    outputs = [name for name in output_names(exported.call_spec.out_spec) if name.startswith(f"{cache}.")]
    if not pasts or len(pasts) != len(outputs):
        raise InputError(
            f"the model takes a cache of {len(pasts)} tensors and returns one of {len(outputs)}",
            "trace it without a cache",
        )
    return tuple(CachePair(name, name.replace(cache, "present", 1)) for name in pasts)


def output_names(spec: TreeSpec) -> list[str]:
    """A name per leaf of an output structure: dict and ModelOutput keys, `output_<i>` for the rest."""
    if spec.num_nodes == 1:
        return ["output_0"] * spec.num_leaves
    keys = [str(key) for key in spec.context] if isinstance(spec.context, list) else []
    names: list[str] = []
    for index, child in enumerate(spec.children()):
        key = keys[index] if keys else f"output_{index}"
        leaves = range(child.num_leaves)  # none in an empty tuple, which is one node as well
        names += [key for _ in leaves] if child.num_nodes == 1 else [f"{key}.{leaf}" for leaf in leaves]
    return names


def _functional(exported: ExportedProgram) -> ExportedProgram:
    """Without writes in place: traced models keep theirs until they are decomposed (here, by nothing)."""
    if any(is_mutating(node) for node in exported.graph_module.graph.nodes):
        with quiet():
            decomposed: ExportedProgram = exported.run_decompositions({})
        return decomposed
    return exported


def _check_plain(graph: fx.Graph, model_class: str) -> None:
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            raise InputError(
                f"{model_class} cannot be traced to plain operators: it uses {node.target.name()}{node_place(node)}",
                "control flow that depends on data is not supported: choose by torch.where or a mask instead",
            )


def _tensor(exported: ExportedProgram, name: str) -> Tensor:
    value = exported.state_dict[name] if name in exported.state_dict else exported.constants[name]
    if not isinstance(value, Tensor):
        raise InputError(f"the traced model holds {name}, which is not a tensor", "script objects are not supported")
    return value


def _canonical_names(exported: ExportedProgram, preferred: Collection[str]) -> dict[str, str]:
    """Per tensor name, the one name that it and those tied to it go by."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in exported.state_dict.items():
        storage = id(tensor) if tensor.is_meta else tensor.data_ptr() or id(tensor)
        groups.setdefault((storage, tensor.dtype, tuple(tensor.shape), tensor.stride()), []).append(name)
    canonical: dict[str, str] = {}
    for group in groups.values():
        best = next((name for name in group if name in preferred), group[0])
        canonical.update(dict.fromkeys(group, best))
    return canonical


def _kept_outputs(exported: ExportedProgram, wanted: Collection[str], aside: Collection[str]) -> dict[str, int]:
    """Name to position among the user outputs, of the wanted outputs, or else of all tensors but those `aside`."""
    names = output_names(exported.call_spec.out_spec)
    values = [spec.arg for spec in exported.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    tensors = {
        name: position
        for position, (name, value) in enumerate(zip(names, values, strict=True))
        if isinstance(value, torch.export.graph_signature.TensorArgument)
    }
    kept = {name: position for name, position in tensors.items() if name in wanted}
    others = {name: position for name, position in tensors.items() if name.partition(".")[0] not in aside}
    return kept or others or tensors


def _unlift(
    exported: ExportedProgram, names: Mapping[str, str], kept: tuple[int, ...], placeholders: Mapping[str, str]
) -> tuple[fx.Graph, set[str]]:
    """The graph with tensors as `get_attr` nodes and only the outputs `kept`, and the names it reads.

    Of the inputs those in `placeholders` stay: their placeholders by name. Constants were written into the graph.
    """
    inputs = {placeholder: name for name, placeholder in placeholders.items()}
    specs = {spec.arg.name: spec for spec in exported.graph_signature.input_specs}
    graph, values, attributes = fx.Graph(), dict[fx.Node, fx.Node](), dict[str, fx.Node]()
    for node in exported.graph_module.graph.nodes:
        if node.op == "placeholder" and specs[node.name].kind in _TENSOR_KINDS:
            target = str(specs[node.name].target)
            name = names.get(target, target)
            if name not in attributes:
                attributes[name] = graph.get_attr(name)
                attributes[name].meta = dict(node.meta)
            values[node] = attributes[name]
        elif node.op == "placeholder" and node.name in inputs:
            values[node] = graph.placeholder(re.sub(r"\W", "_", inputs[node.name]))
            values[node].meta = dict(node.meta)
        elif node.op == "output":
            first = sum(spec.kind != OutputKind.USER_OUTPUT for spec in exported.graph_signature.output_specs)
            graph.output(tuple(values[node.args[0][first + position]] for position in kept))
        elif node.op != "placeholder":
            values[node] = graph.node_copy(node, values.__getitem__)
    return graph, set(attributes)


def _frozen(exported: ExportedProgram, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors by name, sharing the model's memory; parameters stay parameters, without gradients."""
    tensors: dict[str, Any] = {}
    for name in names:
        tensor = _tensor(exported, name)
        is_parameter = isinstance(tensor, nn.Parameter)
        tensors[name] = nn.Parameter(tensor.detach(), requires_grad=False) if is_parameter else tensor.detach()
    return tensors
