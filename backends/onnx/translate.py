"""From a program to an ONNX model, by torch's operator library: directly where it knows every operator."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

import onnx_ir as ir
import torch
from transformers.exporters.exporter_onnx import apply_onnx_ir_fixes
from transformers.exporters.utils import apply_fx_node_fixes, apply_patches

from prunec.errors import VerificationError
from prunec.ir.program import Program

from .lower import lowered
from .shapes import UnknownShapes
from .torchlib import REPAIRS, Unsupported, translate_graph, untranslatable

logger = logging.getLogger(__name__)
ELSEWHERE = "emit a .pt, which holds every operator, or add its translation to backends/onnx/operators.py"
WORD = re.compile(r"[A-Za-z_]\w*")


def translate(program: Program, opset: int, rewrites: bool = True) -> ir.Model:
    """The program as an ONNX model, not yet optimised: axes and weights by the program's names.

    torch's own exporter first traces and decomposes the program again, which takes ten times as long as all the
    rest and changes nothing where every operator has a translation: there it is left out.

    Raises:
        VerificationError: a dynamic axis did not survive tracing, or an operator has no translation in either way.
    """
    try:
        return direct(program, opset, rewrites)
    except (Unsupported, UnknownShapes, torch.onnx.OnnxExporterError) as error:
        reason = _first_line(error)
        logger.info("exported by torch's decomposition: %s", reason)
    try:
        return decomposed(program, opset)
    except VerificationError:
        raise
    except Exception as error:
        raise VerificationError(f"the program cannot be translated to ONNX ({reason})", ELSEWHERE) from error


def direct(program: Program, opset: int, rewrites: bool = True) -> ir.Model:
    """Operator by operator; without `rewrites` as they were traced.

    Raises:
        UnknownShapes, Unsupported, torch.onnx.OnnxExporterError: it cannot be done.
    """
    graph, shapes = lowered(program, opset, rewrites)
    if why := untranslatable(graph, opset):
        raise Unsupported(why)
    model = translate_graph(graph, opset, rewrites)
    initializers = model.graph.initializers
    for node in graph.find_nodes(op="get_attr"):
        value = initializers.pop(node.name, None)
        if value is None:  # no translated call reads it, such as an empty part of a concatenation
            continue
        value.name = str(node.target)
        initializers[value.name] = value
    _name_axes(model, shapes.axes)
    return model


def decomposed(program: Program, opset: int) -> ir.Model:
    """By torch's exporter, with the repairs that transformers makes to it."""
    dynamic = tuple(dict.fromkeys(item.axes, torch.export.Dim.AUTO) for item in program.inputs)
    example = tuple(program.example[item.name] for item in program.inputs)
    with torch.no_grad(), apply_patches("onnx"):
        exported = torch.export.export(program.module, example, dynamic_shapes=dynamic)
        apply_fx_node_fixes("onnx", exported.graph_module)
        result = torch.onnx.export(
            exported, custom_translation_table=REPAIRS, opset_version=opset, optimize=False, verbose=False
        )
    assert result is not None
    apply_onnx_ir_fixes(result)
    _name_axes(result.model, dict(_traced_axes(program, result.model)))
    return result.model


def _first_line(error: Exception) -> str:
    """What the innermost cause says first."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause).strip().partition("\n")[0]


def _traced_axes(program: Program, model: ir.Model) -> Iterator[tuple[str, str]]:
    """The symbol that tracing gave each dynamic axis."""
    for item, value in zip(program.inputs, model.graph.inputs, strict=True):
        for axis, name in item.axes.items():
            size = value.shape[axis] if value.shape is not None else None
            if not isinstance(size, ir.SymbolicDim) or size.value is None:
                raise VerificationError(f"axis {axis} ({name}) of the input {item.name} was fixed by tracing")
            yield size.value, name


def _name_axes(model: ir.Model, axes: Mapping[str, str]) -> None:
    """Spell symbolic sizes with the axes' names; sizes that are in no terms of these lose their names."""

    def named(size: int | ir.SymbolicDim) -> int | str | None:
        if isinstance(size, int):
            return size
        text = size.value or ""
        known = text and all(word in axes for word in WORD.findall(text))
        return WORD.sub(lambda word: axes[word[0]], text) if known else None

    for value in _values(model):
        if value.shape is not None and not value.shape.is_static():
            value.shape = ir.Shape([named(size) for size in value.shape])


def _values(model: ir.Model) -> Iterator[ir.Value]:
    graphs: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for graph in graphs:
        yield from graph.inputs
        for node in ir.traversal.RecursiveGraphIterator(graph):
            yield from node.outputs
