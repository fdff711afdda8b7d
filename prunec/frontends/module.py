"""The module frontend: any `nn.Module` with example inputs becomes a `Program`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prunec.errors import InputError
from prunec.frontends.convert import to_program
from prunec.frontends.huggingface import trace_model
from prunec.frontends.loaded import Loaded
from prunec.frontends.tasks import SEQ2SEQ, TEXT, Task, task_named, task_of_class
from prunec.frontends.trace import AxisNames, export, fixed_axes, longest
from prunec.ir.program import Provenance


def trace(
    model: nn.Module,
    example_inputs: Mapping[str, Tensor],
    task: str | None = None,
    dynamic_axes: AxisNames | None = None,
) -> Loaded:
    """Trace `model` on example inputs, given by the names of its forward's arguments.

    Args:
        model: a module whose forward returns tensors, a tuple, a dict or a ModelOutput.
        example_inputs: tensors; a first axis of size 1 is doubled, so that it can be traced as dynamic.
        task: which outputs count and how damage is measured; inferred for transformers models, and
            `feature-extraction` over all outputs for others.
        dynamic_axes: per input, names of its dynamic axes, such as `{0: "batch", 1: "sequence"}`;
            by default the first axis of every input, and the second of transformers' token inputs.

    Raises:
        InputError: the inputs do not fit the model, or the model cannot be traced as asked.
    """
    _check_tensors(example_inputs)
    axes = {name: dict(named) for name, named in (dynamic_axes or _default_axes(model, example_inputs)).items()}
    _check_axes(example_inputs, axes)
    inputs = _at_least_two(example_inputs, axes)
    model = model.eval()
    names = [name for name, _ in model.named_parameters()]
    if isinstance(model, PreTrainedModel):
        chosen = task_named(task) if task else task_of_class(type(model))
        if chosen is None:
            raise InputError(f"the task of {type(model).__name__} is not known", "give task=...")
        config = model.config.to_dict()
        return trace_model(
            model, chosen, None, source="module", preferred_names=names, config=config, samples=(inputs, axes)
        )
    return _trace_plain(model, inputs, axes, task_named(task or "feature-extraction"), names)


def _trace_plain(
    model: nn.Module, inputs: Mapping[str, Tensor], axes: dict[str, dict[int, str]], task: Task, names: list[str]
) -> Loaded:
    exported = export(model, inputs, axes)
    notes = []
    for name, axis, size in fixed_axes(exported, axes):
        notes.append(f"the model fixes the {axes[name].pop(axis)} axis of {name} at {size}")
    program = to_program(
        exported,
        axes=axes,
        outputs=task.outputs,
        preferred_names=names,
        example=inputs,
        provenance=Provenance("module", type(model).__name__, task.name),
    )
    return Loaded(program, task, max_sequence=longest(exported, axes, "sequence"), notes=tuple(notes))


def _default_axes(model: nn.Module, inputs: Mapping[str, Tensor]) -> AxisNames:
    """The first axis of every input is the batch; the second of a transformer's token inputs is the sequence."""
    tokens = TEXT if isinstance(model, PreTrainedModel) else ()
    axes: dict[str, dict[int, str]] = {}
    for name, tensor in inputs.items():
        axes[name] = {0: "batch"} if tensor.dim() else {}
        if tensor.dim() == 2 and name in tokens:
            axes[name][1] = "sequence"
        elif tensor.dim() == 2 and name in SEQ2SEQ and tokens:
            axes[name][1] = "decoder_sequence"
    return axes


def _check_tensors(inputs: Mapping[str, Tensor]) -> None:
    if not inputs:
        raise InputError("there are no example inputs", "give a tensor for each argument of the model's forward")
    for name, value in inputs.items():
        if not isinstance(value, Tensor):
            raise InputError(f"example input {name} is a {type(value).__name__}", "give tensors by argument name")


def _check_axes(inputs: Mapping[str, Tensor], axes: Mapping[str, Mapping[int, str]]) -> None:
    for name, named in axes.items():
        if name not in inputs:
            raise InputError(f"dynamic_axes names {name}, which is no example input", f"inputs: {', '.join(inputs)}")
        if any(axis >= inputs[name].dim() or axis < 0 for axis in named):
            raise InputError(f"dynamic_axes names an axis that {name} {list(inputs[name].shape)} lacks", "count from 0")


def _at_least_two(inputs: Mapping[str, Tensor], axes: Mapping[str, Mapping[int, str]]) -> dict[str, Tensor]:
    """A size of 1 would be traced as fixed: repeat the inputs along such an axis."""
    tensors = dict(inputs)
    names = {called for name, named in axes.items() for axis, called in named.items() if inputs[name].shape[axis] < 2}
    for name, named in axes.items():
        for axis in (axis for axis, called in named.items() if called in names):
            tensors[name] = torch.cat([tensors[name]] * 2, dim=axis)
    return tensors
