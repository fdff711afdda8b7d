"""The Hugging Face frontend: a local model directory becomes a `Program`, a task and a tokenizer."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from prunec.calibration.checkpoint import Checkpoint
from prunec.calibration.tokens import DECODER
from prunec.destination import REMOVED
from prunec.errors import InputError
from prunec.frontends.cache import ARGUMENT, POSITIONS, with_past
from prunec.frontends.convert import to_program
from prunec.frontends.diagnosis import first_line
from prunec.frontends.directory import ModelDirectory, has_tokenizer, read_directory
from prunec.frontends.feed import Feed
from prunec.frontends.images import IMAGES, image_reader, image_rows, image_size
from prunec.frontends.loaded import Loaded
from prunec.frontends.pruned import Pruned, read_pruned
from prunec.frontends.replies import replier_for
from prunec.frontends.samples import reshaped, sample_inputs
from prunec.frontends.skeleton import revived, skeleton
from prunec.frontends.stock import Stock
from prunec.frontends.tasks import MAPS, NAME_A_TASK, Task, task_named, task_of_auto_classes, task_of_class
from prunec.frontends.trace import export, longest, quiet
from prunec.frontends.writer import writer_for
from prunec.ir.program import Provenance

POSITION_COUNTS = "max_position_embeddings", "max_target_positions"
"""What configs call how many positions tokens have; the second of a decoder that listens."""


def load(
    model_dir: Path | str,
    task: str | None = None,
    trust_remote_code: bool = False,
    *,
    with_cache: bool = False,
    sizes: Mapping[str, int] | None = None,
    rows: Mapping[str, Sequence[int]] | None = None,
) -> Loaded:
    """Load and trace the model in `model_dir`, in float32.

    Of a pruned checkpoint the model is built from the config without weights and traced, what went is taken from the
    program, and the weights that are left are put in. Such a model writes no text of its own.

    Args:
        model_dir: a local directory with config.json and safetensors weights.
        task: as optimum names it; inferred from the model class by default.
        trust_remote_code: whether Python code in the directory may run.
        with_cache: whether a decoder takes and returns its key-value cache (see `prunec.frontends.cache`).
        sizes: by name, the sizes that axes get which the model will not leave dynamic, such as `{"sequence": 128}`.
        rows: by name, the shape of a row of inputs that are no tokens, such as `{"input_values": [48000]}`: that of the
            data that it is to run on. Where the model does not take such, it is traced at its own.

    Raises:
        InputError: the directory, the task or the model cannot be used.
    """
    directory = read_directory(model_dir)
    pruned = read_pruned(directory.path, directory.config)
    name = task or (pruned.task if pruned else None)
    remote = _needs_remote_code(directory, trust_remote_code)
    loader, chosen = _loader(directory, task_named(name) if name else None, remote)
    tokenizer, complaint = load_tokenizer(directory.path, remote)
    missing, notes = set[str](), tuple[str, ...]()
    if pruned and pruned.removed:
        model = skeleton(_config(directory), loader)
    else:
        model, missing, notes = _load_model(directory, loader, remote)
    origin = Provenance(str(model_dir), type(model).__name__, chosen.name, dict(directory.config))
    size = image_size(directory.path)
    shapes = {**(pruned.rows if pruned else {}), **(rows or {})}
    tracing = _Tracing(model, chosen, tokenizer, origin, directory.tensors, with_cache, size, shapes)
    loaded = tracing.at_sizes(sizes or (pruned.sizes if pruned else {}))
    if not remote:
        loaded = replace(loaded, stock=Stock(model.config, type(model), frozenset(loaded.program.tensor_names())))
    if pruned and pruned.removed:
        loaded = _revived(loaded, pruned, directory)
    _check_complete(directory, sorted(missing & set(loaded.program.tensor_names())))
    notes = (*notes, *complaint, *loaded.notes)
    sees = any(item.name == IMAGES for item in loaded.program.inputs)
    return replace(loaded, notes=notes, images=image_reader(directory.path) if sees else None)


def _config(directory: ModelDirectory) -> PreTrainedConfig:
    try:
        with quiet():
            found: PreTrainedConfig = transformers.AutoConfig.from_pretrained(directory.path, local_files_only=True)
    except Exception as error:  # Whatever a broken config makes its class raise.
        raise InputError(
            f"the config in {directory.path} cannot be read: {first_line(error)}", "check config.json"
        ) from error
    return found


def _revived(loaded: Loaded, pruned: Pruned, directory: ModelDirectory) -> Loaded:
    """The slim program in the place of the dense one, whose weights nobody has."""
    program = revived(loaded.program, pruned, Checkpoint.of(directory.path), directory.path)
    found = {item.name for item in program.asked}, {*program.outputs} - {pair.present for pair in program.caches}
    written = {name for name, _, _ in pruned.inputs}, set(pruned.outputs)
    for what, here, there in zip(("takes", "gives"), found, written, strict=True):
        if here != there:
            raise InputError(
                f"the model in {directory.path} {what} {', '.join(sorted(here))}, and {REMOVED} says "
                f"{', '.join(sorted(there))}",
                "check --task, and that the tokenizer's files are those that were written",
            )
    return replace(loaded, program=program, writer=None)


@dataclass(frozen=True)
class _Tracing:
    """A transformers model that is to be traced, and all that is known of it."""

    model: PreTrainedModel
    task: Task
    tokenizer: PreTrainedTokenizerBase | None
    origin: Provenance
    preferred_names: Collection[str]
    with_cache: bool
    images: tuple[int, int] | None = None
    rows: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def at_sizes(self, sizes: Mapping[str, int]) -> Loaded:
        """Traced on made-up inputs; again at `sizes`, as far as the model takes them, where it fixes such an axis."""
        loaded = self.on(self._feed({}))
        fixed = {name: size for item in loaded.program.inputs for name, size in item.fixed.items()}
        longest = _positions(self.model) or sizes.get("sequence", 0)
        wanted = {
            name: min(sizes[name], longest) if name == "sequence" else sizes[name] for name in fixed.keys() & sizes
        }
        if all(fixed[name] == size for name, size in wanted.items()):
            return loaded
        return self.on(replace(self._feed(wanted), static=frozenset(fixed)))

    def _feed(self, sizes: Mapping[str, int]) -> Feed:
        """Made-up inputs at `sizes`, shaped like data or as the preprocessor makes them where the model takes those."""
        feed = sample_inputs(self.model, self.task, self.tokenizer, sizes)
        return reshaped(self.model, feed, {**image_rows(feed, self.images), **self.rows})

    def on(self, feed: Feed) -> Loaded:
        """Traced on `feed`."""
        if self.with_cache:
            feed = with_past(self.model, feed)
        traced = export(self.model, feed, cached=self.with_cache)
        program = to_program(
            traced,
            outputs=self.task.outputs,
            preferred_names=self.preferred_names,
            provenance=self.origin,
            cache=ARGUMENT if self.with_cache else None,
            aside=MAPS,
        )
        if self.with_cache and POSITIONS in traced.example:
            program = replace(program, positions=POSITIONS)
        limits = [limit for limit in (longest(traced, "sequence"), _positions(self.model)) if limit is not None]
        takes_text = any(name.endswith("sequence") for _, _, name in feed.named_axes())
        writer = writer_for(self.model, self.tokenizer) if self.task.objective == "causal-lm" else None
        limit = min(limits, default=None) if takes_text else None
        decoded = next((item.fixed.get("decoder_sequence") for item in program.inputs if item.name == DECODER), None)
        whole = not any(weight.is_meta for weight in self.model.parameters())
        replier = replier_for(self.model.config, self.model if whole else None, decoded)
        return Loaded(program, self.task, self.tokenizer, limit, writer, traced.notes, replier=replier)


def trace_model(
    model: PreTrainedModel, task: Task, feed: Feed, preferred_names: Collection[str], *, with_cache: bool
) -> Loaded:
    """Trace a transformers model for `task` on `feed`.

    Raises:
        InputError: the model cannot be traced.
    """
    origin = Provenance("module", type(model).__name__, task.name, model.config.to_dict())
    return _Tracing(model, task, None, origin, preferred_names, with_cache).on(feed)


def _positions(model: PreTrainedModel) -> int | None:
    """Positions by the config, less those that a position table keeps for padding."""
    config = model.config.get_text_config()
    limit = next((limit for name in POSITION_COUNTS if isinstance(limit := getattr(config, name, None), int)), 0)
    if limit <= 0:
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
        raise InputError(f"the task of {directory.path} is not known: its config names {named}", NAME_A_TASK)
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


def load_tokenizer(folder: Path, remote: bool) -> tuple[PreTrainedTokenizerBase | None, Iterable[str]]:
    """The tokenizer in `folder`, None where there is none or it is damaged; and what there is to say about that."""
    if not has_tokenizer(folder):
        return None, ()
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=remote
            ), ()
    except Exception as error:  # Tokenizers raise bare exceptions for damaged files.
        return None, (f"the tokenizer in {folder} cannot be loaded: {first_line(error)}",)


def _more(items: list[Any]) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""
