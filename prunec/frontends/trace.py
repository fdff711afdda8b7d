"""Tracing: `torch.export` of transformers models and of any other module, with dynamic axes where the model allows."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import transformers
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument

from prunec.frontends.diagnosis import untraceable
from prunec.frontends.feed import BATCH, AxisNames, Feed, leaves


@dataclass(frozen=True)
class Traced:
    """A traced model and how much of what was asked for it kept.

    Attributes:
        exported: as torch gives it.
        example: the inputs that were traced, by name, in the order in which the graph takes them.
        placeholders: the name of each input's placeholder.
        axes: per input, the names of its dynamic axes.
        fixed: per input, the sizes of its named axes that are static.
        notes: what was given up.
    """

    exported: ExportedProgram
    example: Mapping[str, Tensor]
    placeholders: Mapping[str, str]
    axes: AxisNames
    fixed: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...]


Way = Callable[[Any, Feed], ExportedProgram]


def export(model: nn.Module, feed: Feed, *, cached: bool = False) -> Traced:
    """Trace `model` on `feed`, with as many of its axes dynamic as can be.

    All are tried first, then fewer and fewer (`_levels`), each in every way that there is (`_ways`); the first success
    counts. An axis that the model itself fixes while it is traced is fixed wherever its name stands for that size.

    Args:
        model: in evaluation mode.
        feed: example inputs and dynamic axes.
        cached: whether a transformers model returns its key-value cache.

    Raises:
        InputError: the model cannot be traced in any of these ways; place, reason and remedy are named.
    """
    first = next(iter(model.parameters()), None)
    if first is not None:
        feed = feed.on(first.device)
    failures: dict[int, Exception] = {}
    levels, ways = _levels(feed), _ways(model, cached)
    for level, (kind, way) in product(range(len(levels)), ways.items()):
        try:
            with quiet(), torch.no_grad():
                exported = way(model, levels[level])
        except Exception as error:  # torch.export raises what the model's own code raises, and much of its own.
            failures.setdefault(level, error)
            continue
        notes = [] if kind == next(iter(ways)) else [f"{type(model).__name__} can be traced by {kind} only"]
        return _traced(exported, levels[level], feed, notes)
    failure = failures[len(levels) - 1]  # with nothing dynamic: no axis is to blame
    raise untraceable(model, failure) from failure


def _levels(feed: Feed) -> list[Feed]:
    """Feeds with fewer and fewer dynamic axes: all, without those of size 1, the batch alone, none."""
    feed = feed.keeping(lambda name, axis, called: called not in feed.static)
    tensors = feed.tensors()
    levels = [
        feed.doubled(),
        feed.keeping(lambda name, axis, called: tensors[name].shape[axis] > 1),
        feed.keeping(lambda name, axis, called: called == BATCH).doubled(),
        feed.keeping(lambda name, axis, called: False),
    ]
    shapes = [(level.axes, [tensor.shape for tensor in level.tensors().values()]) for level in levels]
    return [level for index, level in enumerate(levels) if shapes[index] not in shapes[:index]]


def _ways(model: nn.Module, cached: bool) -> Mapping[str, Way]:
    """How to trace, most trusted first, by what a note calls it."""
    own = {"use_cache": cached, "return_dict": True} if isinstance(model, transformers.PreTrainedModel) else {}

    def plain(strict: bool) -> Way:
        def trace(model: Any, feed: Feed) -> ExportedProgram:
            with _configured(model, own):
                return torch.export.export(
                    model, (), copy.deepcopy(dict(feed.arguments)), dynamic_shapes=feed.dynamic_shapes(), strict=strict
                )

        return trace

    ways = {"plain torch.export": plain(False), "strict torch.export": plain(True)}
    return {"transformers' exporter": _export_transformer(own), **ways} if own else ways


def _export_transformer(flags: Mapping[str, Any]) -> Way:
    def trace(model: Any, feed: Feed) -> ExportedProgram:
        from transformers.exporters.configs import DynamoConfig
        from transformers.exporters.exporter_dynamo import DynamoExporter

        # The exporter may add inputs of its own, such as places of windows, of whose axes only it knows.
        dynamic = any(True for _ in feed.named_axes())
        settings = DynamoConfig(dynamic=dynamic, dynamic_shapes=feed.dynamic_shapes() if dynamic else None)
        program = DynamoExporter().export(model, {**feed.arguments, **flags}, config=settings).program
        assert isinstance(program, ExportedProgram)
        return program

    return trace


@contextmanager
def _configured(model: Any, flags: Mapping[str, Any]) -> Iterator[None]:
    """A transformers model's config with other values of `flags`, those that it has."""
    before = {name: getattr(model.config, name) for name in flags if hasattr(model.config, name)}
    try:
        for name in before:
            setattr(model.config, name, flags[name])
        yield
    finally:
        for name, value in before.items():
            setattr(model.config, name, value)


def _traced(exported: ExportedProgram, used: Feed, wanted: Feed, notes: list[str]) -> Traced:
    values = _input_values(exported)
    example = {name: leaf for name, leaf in leaves(exported.example_inputs[1]) if name in values}
    lost = {
        (called, int(example[name].shape[axis]))
        for name, axis, called in wanted.named_axes()
        if axis not in used.axes.get(name, {}) or _is_constant(values[name].meta["val"].shape[axis])
    }
    axes: dict[str, dict[int, str]] = {name: {} for name in example}
    fixed: dict[str, dict[str, int]] = {name: {} for name in example}
    for name, axis, called in wanted.named_axes():
        size = int(example[name].shape[axis])
        if (called, size) in lost:
            fixed[name][called] = size
            notes.append(f"the model fixes the {called} axis of {name} at {size}")
        else:
            axes[name][axis] = called
    return Traced(exported, example, {name: node.name for name, node in values.items()}, axes, fixed, tuple(notes))


def _input_values(exported: ExportedProgram) -> dict[str, fx.Node]:
    """The placeholder of each input that is a tensor; torch keeps one for each constant too."""
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    specs = [spec.arg for spec in exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    names = [name for name, _ in leaves(exported.example_inputs[1])]
    pairs = zip(names, specs, strict=True)
    return {name: nodes[argument.name] for name, argument in pairs if isinstance(argument, TensorArgument)}


def _is_constant(size: Any) -> bool:
    """Whether tracing fixed a size: a symbol that was specialised stays a SymInt, of a constant."""
    return isinstance(size, int) or size.node.maybe_as_int() is not None


def longest(traced: Traced, axis_name: str) -> int | None:
    """The largest size of the axis called `axis_name` that the traced model allows; None where any will do."""
    bounds = [sizes[axis_name] for sizes in traced.fixed.values() if axis_name in sizes]
    values = _input_values(traced.exported)
    for name, named in traced.axes.items():
        for axis in (axis for axis, called in named.items() if called == axis_name):
            size = values[name].meta["val"].shape[axis]
            limits = traced.exported.range_constraints.get(getattr(getattr(size, "node", None), "expr", None))
            if limits is not None and limits.upper.is_Integer:
                bounds.append(int(limits.upper))
    return min(bounds, default=None)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' chatter: version-drift notices, progress bars, deprecations."""
    talk, bars = transformers.logging, transformers.utils.logging.is_progress_bar_enabled()
    level, disabled = talk.get_verbosity(), logging.root.manager.disable
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    logging.disable(logging.ERROR)  # torch logs as errors what it raises, too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
