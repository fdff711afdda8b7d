"""The Hugging Face frontend: a local model directory becomes a `Program`, a task and a tokenizer."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedModel, PreTrainedTokenizerBase

from prunec.errors import InputError
from prunec.frontends.convert import to_program
from prunec.frontends.directory import ModelDirectory, read_directory
from prunec.frontends.loaded import Loaded
from prunec.frontends.samples import sample_inputs
from prunec.frontends.tasks import Task, task_named, task_of_auto_classes, task_of_class
from prunec.frontends.trace import AxisNames, export, first_line, fixed_axes, longest, quiet
from prunec.frontends.writer import writer_for
from prunec.ir.program import Provenance


def load(model_dir: Path | str, task: str | None = None, trust_remote_code: bool = False) -> Loaded:
    """Load and trace the model in `model_dir`, in float32.

    Args:
        model_dir: a local directory with config.json and safetensors weights.
        task: as optimum names it; inferred from the model class by default.
        trust_remote_code: whether Python code in the directory may run.

    Raises:
        InputError: the directory, the task or the model cannot be used.
    """
    chosen = task_named(task) if task else None
    directory = read_directory(model_dir)
    remote = _needs_remote_code(directory, trust_remote_code)
    loader, chosen = _loader(directory, chosen, remote)
    model, missing, notes = _load_model(directory, loader, remote)
    tokenizer, complaint = _load_tokenizer(directory, remote)
    loaded = trace_model(
        model, chosen, tokenizer, source=str(model_dir), preferred_names=directory.tensors, config=directory.config
    )
    _check_complete(directory, sorted(missing & set(loaded.program.tensor_names())))
    return replace(loaded, notes=(*notes, *complaint, *loaded.notes))


def trace_model(
    model: PreTrainedModel,
    task: Task,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    source: str,
    preferred_names: Collection[str],
    config: Any,
    samples: tuple[Mapping[str, torch.Tensor], AxisNames] | None = None,
) -> Loaded:
    """Trace a transformers model for `task`, on `samples` (inputs and their axes) or on made-up ones.

    Raises:
        InputError: the model cannot be traced, or fixes an axis that must be dynamic.
    """
    name = type(model).__name__
    inputs, axes = samples or sample_inputs(model, task, tokenizer)
    exported = export(model, inputs, axes)
    for item, axis, size in fixed_axes(exported, axes):
        raise InputError(
            f"{name} fixes the {axes[item][axis]} axis of {item} at {size} when traced", "such models are not supported"
        )
    program = to_program(
        exported,
        axes=axes,
        outputs=task.outputs,
        preferred_names=preferred_names,
        example=inputs,
        provenance=Provenance(source, name, task.name, dict(config)),
    )
    limits = [limit for limit in (longest(exported, axes, "sequence"), _positions(model)) if limit is not None]
    takes_text = any("sequence" in named.values() for named in axes.values())
    writer = writer_for(model, tokenizer) if task.objective == "causal-lm" else None
    return Loaded(program, task, tokenizer, min(limits, default=None) if takes_text else None, writer)


def _positions(model: PreTrainedModel) -> int | None:
    """Positions by the config, less those that a position table keeps for padding."""
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    if limit != getattr(config, "vocab_size", None):
        tables = [table for table in tables if table.num_embeddings == limit and table.padding_idx is not None]
        limit -= max((int(table.padding_idx or 0) + 1 for table in tables), default=0)
    return limit


def _needs_remote_code(directory: ModelDirectory, trusted: bool) -> bool:
    """Whether the model's code is in the directory and not in transformers."""
    model_type = directory.config["model_type"]
    if model_type in CONFIG_MAPPING:
        return False
    if not directory.config.get("auto_map"):
        near = difflib.get_close_matches(model_type, list(CONFIG_MAPPING), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(
            f"{directory.path} has the model_type '{model_type}', which transformers {transformers.__version__} lacks",
            f"{hint}load the module yourself and give it to prunec.compile",
        )
    if not trusted:
        raise InputError(
            f"the model in {directory.path} needs Python code that comes with it (auto_map in config.json)",
            "where you trust that code, add --trust-remote-code",
        )
    return True


def _loader(directory: ModelDirectory, task: Task | None, remote: bool) -> tuple[Any, Task]:
    """The class to load with, and the task: as asked, or what the config's class was made for."""
    if remote:
        task = task or task_of_auto_classes(directory.config["auto_map"])
    model_class = None if remote else getattr(transformers, directory.architecture or "", None)
    own = task_of_class(model_class) if model_class else None
    if own is not None and task in (None, own):
        return model_class, own
    if task is None:
        named = directory.architecture or "no architecture"
        raise InputError(f"the task of {directory.path} is not known: its config names {named}", "give --task")
    return getattr(transformers, task.auto_class), task


def _load_model(directory: ModelDirectory, loader: Any, remote: bool) -> tuple[Any, set[str], tuple[str, ...]]:
    """The model, the names of the tensors it lacks, and notes."""
    try:
        with quiet():
            model, report = loader.from_pretrained(
                directory.path,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                trust_remote_code=remote,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # Whatever a broken config makes the model's constructor raise.
        raise InputError(
            f"the model in {directory.path} cannot be loaded: {first_line(error)}",
            "check config.json against the weights",
        ) from error
    wrong = sorted(report["mismatched_keys"])
    if wrong:
        name, found, expected = wrong[0]
        raise InputError(
            f"{name} in {directory.path} is {list(found)} where the config says {list(expected)}{_more(wrong)}",
            "check config.json against the weights",
        )
    unread = sorted(report["unexpected_keys"])
    notes = (f"{type(model).__name__} does not use the checkpoint's {unread[0]}{_more(unread)}",) if unread else ()
    return model.eval(), set(report["missing_keys"]), notes


def _check_complete(directory: ModelDirectory, missing: list[str]) -> None:
    if missing:
        raise InputError(
            f"the weights in {directory.path} lack {', '.join(missing[:3])}{_more(missing[2:])}",
            "the checkpoint was made for another task or another config: check --task and config.json",
        )


def _load_tokenizer(directory: ModelDirectory, remote: bool) -> tuple[PreTrainedTokenizerBase | None, Iterable[str]]:
    if not directory.has_tokenizer:
        return None, ()
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(
                directory.path, local_files_only=True, trust_remote_code=remote
            ), ()
    except Exception as error:  # Tokenizers raise bare exceptions for damaged files.
        return None, (f"the tokenizer in {directory.path} cannot be loaded: {first_line(error)}",)


def _more(items: list[Any]) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""
