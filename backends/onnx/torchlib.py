"""The parts of torch's ONNX exporter that it keeps private: its operator library and its translator."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import onnx_ir as ir
import torch
from onnxscript.version_converter import convert_version
from torch import fx
from transformers.exporters.exporter_onnx import _ONNX_TRANSLATION_TABLE

from . import attention, complexes, operators, rotary, whole

try:
    from torch.onnx._internal.exporter import _core, _decomp, _dispatching, _ir_passes, _registration
    from torch.onnx._internal.fx.passes.type_promotion import TypePromotionTable

    _translate_fx_graph = _core._translate_fx_graph
    MISSING = ""
except (ImportError, AttributeError) as error:  # another torch than the one this was written for
    MISSING = str(error)


MENDED = {**_ONNX_TRANSLATION_TABLE, **operators.TRANSLATIONS}
"""Translations of what torch's library lacks or gets wrong."""
REPAIRS = {**MENDED, **attention.TRANSLATIONS}
"""Translations that are used instead of torch's."""


class Unsupported(Exception):
    """The direct way cannot take this program: it needs torch's own decomposition."""


def untranslatable(graph: fx.Graph, opset: int) -> str:
    """Why `graph` cannot be translated as it is, or nothing."""
    if MISSING:
        return f"torch {torch.__version__} has another exporter ({MISSING})"
    for node in graph.nodes:
        target: Any = node.target
        if not has_translation(node, opset):
            return f"{target}{_near(node)} has no translation"
        if isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable:
            return f"{target}{_near(node)} writes to its arguments"
    return ""


def _near(node: fx.Node) -> str:
    """Where a call is: the nearest parameter that it is computed from."""
    queue, seen = [node], {node}
    for source in queue:
        if source.op == "get_attr":
            return f" near {source.target}"
        queue.extend(item for item in source.all_input_nodes if item not in seen)
        seen.update(queue)
    return ""


def has_translation(node: fx.Node, opset: int) -> bool:
    """Whether torch's library, or ours, says in ONNX what `node` calls, on what it is called on."""
    if node.op != "call_function" or node.target is operator.getitem:
        return True
    return not MISSING and _dispatching.dispatch(node, _registry(opset))[0] is not None


@cache
def decompositions(opset: int) -> Mapping[Any, Callable[..., Any]]:
    """What PyTorch makes of operators that have no translation, by operator."""
    if MISSING:
        return {}
    known = set(_decomp.get_onnx_implemented_overloads(_registry(opset)))
    table: Mapping[Any, Callable[..., Any]] = _decomp.create_onnx_friendly_decomposition_table(known)
    return table


def translate_graph(graph: fx.Graph, opset: int, rewrites: bool = True) -> ir.Model:
    """An ONNX model of `graph`, whose nodes have values in `meta["val"]`; every name is a node's name.

    Without `rewrites` attention is what torch's library makes of it.
    """
    model = ir.Model(ir.Graph([], [], nodes=[], name="main"), ir_version=10)
    _translate_fx_graph(
        graph,
        model,
        graph_like=model.graph,
        owned_graphs={},
        lower="at_conversion",
        registry=_registry(opset, rewrites),
    )
    _ir_passes.add_opset_imports(model)
    convert_version(model, opset, fallback=True)
    return model


def promotion_rule(operator: torch._ops.OpOverload) -> Any:
    """How PyTorch casts the arguments of `operator` by itself; None where it does not."""
    return None if MISSING else _promotions().get_rule(operator.overloadpacket)


@cache
def _registry(opset: int, rewrites: bool = True) -> _registration.ONNXRegistry:
    registry = _registration.ONNXRegistry.from_torchlib(opset_version=opset)
    for target, function in ({**REPAIRS, **rotary.TRANSLATIONS, **whole.TRANSLATIONS} if rewrites else MENDED).items():
        registry.register_op(target, function)
    for target, function in complexes.TRANSLATIONS.items():
        registry.register_op(target, function, is_complex=True)
    return registry


@cache
def _promotions() -> TypePromotionTable:
    return TypePromotionTable()
