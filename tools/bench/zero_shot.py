"""News stories told by topic by a language model that was not trained for it: the likeliest next word of a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunec.calibration.labels import LabelledText
from prunec.calibration.sources import read_texts
from prunec.cost.feeding import IDS, MASK, answers
from prunec.cost.timer import Arrays, Runner
from prunec.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUESTION = "\n\nThis news story is about"
WORDS = {"tech": "technology"}
"""Words for labels that are none."""
TOKENS = 128
"""Of a question, the beginning of the story included."""
BATCH = 8


@dataclass(frozen=True)
class ZeroShot:
    """Questions, and which of the words that may answer them is right.

    Attributes:
        questions: token ids `[questions, TOKENS]`.
        truth: places among `words`, `[questions]`.
        words: for each label the first token of its word.
    """

    questions: np.ndarray
    truth: np.ndarray
    words: np.ndarray

    @staticmethod
    def read(path: Path, tokenizer: PreTrainedTokenizerBase) -> ZeroShot:
        """A question for every labelled text at `path` that is long enough.

        Raises:
            InputError: none is, or the words of two labels begin alike.
        """
        ask = _tokens(tokenizer, QUESTION)
        texts = [text for text in read_texts(path) if isinstance(text, LabelledText)]
        labels = sorted({str(text.label) for text in texts})
        words = [_tokens(tokenizer, f" {WORDS.get(label, label)}")[0] for label in labels]
        if len(set(words)) < len(words):
            raise InputError(f"the labels of {path}, {', '.join(labels)}, do not differ in their first tokens")
        stories = [(_tokens(tokenizer, text.text)[: TOKENS - len(ask)], str(text.label)) for text in texts]
        kept = [(story + ask, labels.index(label)) for story, label in stories if len(story + ask) == TOKENS]
        if not kept:
            raise InputError(f"{path} has no labelled text of {TOKENS - len(ask)} tokens")
        questions, truth = zip(*kept, strict=True)
        return ZeroShot(np.array(questions), np.array(truth), np.array(words))

    def right(self, run: Runner) -> np.ndarray:
        """Which questions the model answers by the right word sooner than by one of the others."""
        said = [answers(run, batch)["logits"][:, -1, self.words].argmax(-1) for batch in self._batches()]
        return np.asarray(np.concatenate(said) == self.truth)

    def _batches(self) -> Iterator[Arrays]:
        for first in range(0, len(self.truth), BATCH):
            ids = self.questions[first : first + BATCH]
            yield {IDS: ids, MASK: np.ones_like(ids)}


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return found
