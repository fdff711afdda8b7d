"""What is known of a model without its weights: its config, its task and its tokenizer, from a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import transformers

from prunec.errors import InputError
from prunec.frontends.directory import architecture, read_config
from prunec.frontends.huggingface import load_tokenizer
from prunec.frontends.tasks import NAME_A_TASK, Task, task_named, task_of_class
from prunec.frontends.trace import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Card:
    """A model without its weights.

    Attributes:
        task: what it is for.
        config: `config.json`.
        words: its tokenizer; None where it has none, and is not read for text.
        ends: the tokens that end a text.
    """

    task: Task
    config: Mapping[str, object]
    words: PreTrainedTokenizerBase | None
    ends: frozenset[int] = frozenset()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer, where it is read for text."""
        assert self.words is not None  # `read_card` made sure of it
        return self.words

    @property
    def longest(self) -> int | None:
        """Positions by the config; None where it names none."""
        found = self.config.get("max_position_embeddings")
        return found if isinstance(found, int) and found > 0 else None

    def label_names(self, count: int) -> list[str]:
        """What `count` outputs of a classifier mean, by number where the config does not say."""
        found = self.config.get("id2label")
        named = found if isinstance(found, Mapping) else {}
        return [str(named.get(str(number), number)) for number in range(count)]


def read_card(folder: Path, task: str | None = None, *, text: bool = True) -> Card:
    """What is known of the model in `folder`, which a compile wrote or a model lies in.

    Args:
        folder: with `config.json`, and a tokenizer.
        task: as optimum names it; by default what the compile says there, or what the model's class is made for.
        text: whether it is read for text, and so needs its tokenizer.

    Raises:
        InputError: there is no such folder, it lacks one of these, or the task is not known.
    """
    config = read_config(folder)
    tokenizer, complaints = load_tokenizer(folder, False)
    if tokenizer is None and text:
        what = next(iter(complaints), f"no tokenizer in {folder}")
        raise InputError(what, "name the folder of the model that the artifact was made from")
    return Card(_task(folder, config, task), config, tokenizer, _ends(folder, config, tokenizer))


def _ends(folder: Path, config: Mapping[str, object], tokenizer: PreTrainedTokenizerBase | None) -> frozenset[int]:
    """What the settings of generation, the config and the tokenizer name as the end of a text."""
    try:
        with quiet():
            settings = transformers.GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    except OSError:  # there are none
        settings = None
    own = tokenizer.eos_token_id if tokenizer is not None else None
    named = (settings, config.get("eos_token_id"), own)
    tokens = [token for item in named for token in (item if isinstance(item, list) else [item])]
    return frozenset(token for token in tokens if isinstance(token, int))


def _task(folder: Path, config: Mapping[str, object], asked: str | None) -> Task:
    own = config.get("prunec")
    said = asked or (own.get("task") if isinstance(own, Mapping) else None)
    if said is not None:
        return task_named(str(said))
    model_class = getattr(transformers, architecture(config) or "", None)
    found = task_of_class(model_class) if model_class else None
    if found is None:
        raise InputError(
            f"the task of {folder} is not known: its config names none of transformers' classes", NAME_A_TASK
        )
    return found
