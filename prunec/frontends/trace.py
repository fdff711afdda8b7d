"""Tracing: `torch.export` of transformers models and of any other module, with dynamic axes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

from prunec.errors import InputError

AxisNames = Mapping[str, Mapping[int, str]]


def export(model: nn.Module, inputs: Mapping[str, Tensor], axes: AxisNames) -> ExportedProgram:
    """Trace `model` on keyword `inputs`; the named axes stay dynamic.

    Raises:
        InputError: the model cannot be traced.
    """
    shapes = {name: dict.fromkeys(axes.get(name, {}), Dim.AUTO) for name in inputs}
    try:
        with quiet(), torch.no_grad():
            if isinstance(model, transformers.PreTrainedModel):
                return _export_transformer(model, inputs, shapes)
            return torch.export.export(model, (), dict(inputs), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # torch.export raises what the model's own code raises, and much of its own.
        raise InputError(
            f"{type(model).__name__} cannot be traced: {first_line(error)}",
            "torch.export must be able to trace it: avoid control flow that depends on data",
        ) from error


def _export_transformer(model: Any, inputs: Mapping[str, Tensor], shapes: Mapping[str, Any]) -> ExportedProgram:
    from transformers.exporters.configs import DynamoConfig
    from transformers.exporters.exporter_dynamo import DynamoExporter

    settings = DynamoConfig(dynamic=True, dynamic_shapes=dict(shapes))
    flagged: dict[str, Any] = {**inputs, "use_cache": False, "return_dict": True}
    program = DynamoExporter().export(model, flagged, config=settings).program
    assert isinstance(program, ExportedProgram)
    return program


def fixed_axes(exported: ExportedProgram, axes: AxisNames) -> list[tuple[str, int, int]]:
    """The axes that were to be dynamic and are not: `(input, axis, size the model fixed it to)`."""
    values = _input_values(exported)
    sizes = [(name, axis, values[name].shape[axis]) for name, named in axes.items() for axis in named]
    # A symbol that was specialised stays a SymInt, of a constant.
    known = [(name, axis, size if isinstance(size, int) else size.node.maybe_as_int()) for name, axis, size in sizes]
    return [(name, axis, size) for name, axis, size in known if size is not None]


def longest(exported: ExportedProgram, axes: AxisNames, axis_name: str) -> int | None:
    """The largest size of the axis called `axis_name` that the traced model allows; None where any will do."""
    bounds = []
    for name, value in _input_values(exported).items():
        for axis in (axis for axis, called in axes.get(name, {}).items() if called == axis_name):
            limits = exported.range_constraints.get(getattr(getattr(value.shape[axis], "node", None), "expr", None))
            if limits is not None and limits.upper.is_Integer:
                bounds.append(int(limits.upper))
    return min(bounds, default=None)


def _input_values(exported: ExportedProgram) -> dict[str, Any]:
    names = {spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT}
    return {node.name: node.meta["val"] for node in exported.graph.nodes if node.name in names}


def first_line(error: Exception) -> str:
    """The first line of an error that says something, without a trailing full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' chatter: version-drift notices, progress bars, deprecations."""
    talk, bars = transformers.logging, transformers.utils.logging.is_progress_bar_enabled()
    level, disabled = talk.get_verbosity(), logging.root.manager.disable
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
