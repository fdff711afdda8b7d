"""The source of calibration text that a compile was given, and what stands in where none was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from torch import Tensor

from prunec.calibration.batching import Batch
from prunec.calibration.corpus import Corpus
from prunec.calibration.labels import label_names
from prunec.calibration.named import joined
from prunec.calibration.replies import Replier, replies_of
from prunec.calibration.sources import standard_library_texts
from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.passbase import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Writer = Callable[[int, int, int, Progress], Tensor]


@dataclass(frozen=True)
class Text:
    """Documents, and where they came from."""

    documents: Sequence[str]
    description: str


@dataclass(frozen=True)
class TextSource:
    """Where calibration data comes from: the first of these that is there.

    Attributes:
        batches: ready inputs of the program; `origin`: where they come from, if not from Python.
        texts: what the user gave, by name; one alone may have none, and is under "".
        writer: of a generative model, which writes text of its own.
        replier: of an encoder-decoder, which says what its decoder reads beside a text.
        tokenizer: for `texts`, and for the standard library's docstrings where nothing else is there.
        packs: whether windows are full (generative models) or texts are padded (encoders).
        sequence: tokens in a window, or in a text at most.
    """

    sequence: int
    packs: bool = False
    tokenizer: PreTrainedTokenizerBase | None = None
    batches: Sequence[Batch] | None = None
    texts: Mapping[str, Text] = field(default_factory=dict)
    writer: Writer | None = None
    replier: Replier | None = None
    origin: str = ""

    def build(
        self, program: Program, *, tokens: tuple[int, int, int], batch: int, seed: int, progress: Progress
    ) -> Corpus:
        """The corpus, with `tokens` for scoring, choosing and reporting; named texts have equal shares of each.

        Raises:
            InputError: there is no way to get text for this model, or too little of it.
        """
        if self.batches is not None:
            origin = {"description": self.origin} if self.origin else {}
            return Corpus.from_batches(self.batches, program.asked, seed=seed, **origin)
        if not self.texts and self.writer is not None:
            return self._written(program, self.writer, tokens, batch, seed, progress)
        self.check()
        tokenizer = self.tokenizer
        assert tokenizer is not None
        if not self.texts:
            usual = Text(standard_library_texts(seed), "docstrings of the Python standard library")
            return self._read(program, tokenizer, usual, tokens, batch, seed, progress)
        shares = tuple(-(-wanted // len(self.texts)) for wanted in tokens)
        corpora = {
            name: self._read(program, tokenizer, text, shares, batch, seed, progress)
            for name, text in self.texts.items()
        }
        whole = joined(corpora)
        return replace(whole, notes=(*whole.notes, *_shared(self.texts)))

    def check(self) -> None:
        """Make sure that there is something to make a corpus of.

        Raises:
            InputError: there is text, or nothing, and no tokenizer.
        """
        if self.batches is None and self.tokenizer is None and (self.texts or self.writer is None):
            raise InputError(
                "the model has no tokenizer, so prunec cannot make calibration data for it",
                "give --calibration with images or with its inputs as .npz, or put a tokenizer's files into the folder",
            )

    def _read(
        self,
        program: Program,
        tokenizer: PreTrainedTokenizerBase,
        text: Text,
        tokens: tuple[int, ...],
        batch: int,
        seed: int,
        progress: Progress,
    ) -> Corpus:
        fed, replier = replies_of(program.asked, self.replier)
        return Corpus.build(
            text.documents,
            tokenizer,
            fed,
            labels=label_names(program),
            packs=self.packs,
            sequence=self.sequence,
            batch=batch,
            score_tokens=tokens[0],
            choose_tokens=tokens[1],
            report_tokens=tokens[2],
            seed=seed,
            description=text.description,
            is_default=not self.texts,
            complete=None if replier is None else lambda batches: replier(batches, seed, progress),
        )

    def _written(
        self, program: Program, writer: Writer, tokens: tuple[int, int, int], batch: int, seed: int, progress: Progress
    ) -> Corpus:
        windows = writer(sum(tokens), self.sequence, seed, progress)
        return Corpus.from_windows(
            windows,
            program.asked,
            batch=batch,
            score_tokens=tokens[0],
            choose_tokens=tokens[1],
            report_tokens=tokens[2],
            description="text that the model wrote itself",
            is_default=True,
        )


def _shared(texts: Mapping[str, Text]) -> tuple[str, ...]:
    """A note where texts have documents in common: what one is scored on, another may report on."""
    count = sum(times > 1 for times in Counter(chain(*(set(text.documents) for text in texts.values()))).values())
    note = f"{count} documents are in more than one calibration text: the loss may be reported on text that chose"
    return (note,) if count else ()
