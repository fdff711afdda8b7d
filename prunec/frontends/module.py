"""The module frontend: any `nn.Module` with example inputs becomes a `Program`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from prunec.errors import InputError
from prunec.frontends.convert import to_program
from prunec.frontends.feed import BATCH, AxisNames, Feed, check_arguments, check_axes
from prunec.frontends.huggingface import trace_model
from prunec.frontends.loaded import Loaded
from prunec.frontends.tasks import SEQ2SEQ, TEXT, Task, task_named, task_of_class
from prunec.frontends.trace import export, longest
from prunec.ir.program import Provenance


def trace(
    model: nn.Module,
    example_inputs: Mapping[str, Any],
    task: str | None = None,
    dynamic_axes: AxisNames | None = None,
    *,
    with_cache: bool = False,
) -> Loaded:
    """Trace `model` on example inputs, given by the names of its forward's arguments.

    Weights are not read: a model on torch's meta device gives a program whose structure can be discovered.

    Args:
        model: a module whose forward returns tensors, a tuple, a dict or a ModelOutput.
        example_inputs: tensors; lists, tuples and dicts of them, whose parts are named by their path (`states.0`);
            numbers, text and None, which are traced as they are. A dynamic axis of size 1 is doubled, so that it can
            be traced as dynamic.
        task: which outputs count and how damage is measured; inferred for transformers models, and
            `feature-extraction` over all outputs for others and where that fails.
        dynamic_axes: per tensor, names of its dynamic axes, such as `{0: "batch", 1: "sequence"}`;
            by default the first axis of every input, and the second of transformers' token inputs.
        with_cache: whether a transformers decoder takes and returns its key-value cache.

    Raises:
        InputError: the inputs do not fit the model, or the model cannot be traced as asked.
    """
    check_arguments(example_inputs)
    feed = Feed(dict(example_inputs), {})
    feed = replace(feed, axes=dynamic_axes or _default_axes(model, feed))
    check_axes(feed)
    model = model.eval()
    names = [name for name, _ in model.named_parameters()]
    if isinstance(model, PreTrainedModel):
        chosen = task_named(task) if task else task_of_class(type(model)) or _any_output()
        return trace_model(model, chosen, feed, names, with_cache=with_cache)
    if with_cache:
        raise InputError(f"{type(model).__name__} is no transformers model", "trace it without a cache")
    return _trace_plain(model, feed, task_named(task) if task else _any_output(), names)


def _any_output() -> Task:
    """Feature extraction over all outputs."""
    return replace(task_named("feature-extraction"), outputs=())


def _trace_plain(model: nn.Module, feed: Feed, task: Task, names: list[str]) -> Loaded:
    traced = export(model, feed)
    program = to_program(
        traced,
        outputs=task.outputs,
        preferred_names=names,
        provenance=Provenance("module", type(model).__name__, task.name),
    )
    return Loaded(program, task, max_sequence=longest(traced, "sequence"), notes=traced.notes)


def _default_axes(model: nn.Module, feed: Feed) -> AxisNames:
    """The first axis of every input is the batch; the second of a transformer's token inputs is the sequence."""
    tokens = TEXT if isinstance(model, PreTrainedModel) else ()
    axes: dict[str, dict[int, str]] = {}
    for name, tensor in feed.tensors().items():
        axes[name] = {0: BATCH} if tensor.dim() else {}
        if tensor.dim() == 2 and name in tokens:
            axes[name][1] = "sequence"
        elif tensor.dim() == 2 and name in SEQ2SEQ and tokens:
            axes[name][1] = "decoder_sequence"
    return axes
