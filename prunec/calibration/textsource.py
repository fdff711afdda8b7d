"""The source of calibration text that a compile was given, and what stands in where none was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from prunec.calibration.batching import Batch
from prunec.calibration.corpus import Corpus
from prunec.calibration.sources import standard_library_texts
from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.passbase import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Writer = Callable[[int, int, int, Progress], Tensor]


@dataclass(frozen=True)
class TextSource:
    """Where calibration data comes from: the first of these that is there.

    Attributes:
        batches: ready inputs of the program, given from Python.
        documents: text that the user gave, called `description`.
        writer: of a generative model, which writes text of its own.
        tokenizer: for `documents`, and for the standard library's docstrings where nothing else is there.
        packs: whether windows are full (generative models) or texts are padded (encoders).
        sequence: tokens in a window, or in a text at most.
    """

    sequence: int
    packs: bool = False
    tokenizer: PreTrainedTokenizerBase | None = None
    batches: Sequence[Batch] | None = None
    documents: Sequence[str] | None = None
    description: str = ""
    writer: Writer | None = None

    def build(
        self, program: Program, *, tokens: tuple[int, int, int], batch: int, seed: int, progress: Progress
    ) -> Corpus:
        """The corpus, with `tokens` for scoring, choosing and reporting.

        Raises:
            InputError: there is no way to get text for this model, or too little of it.
        """
        if self.batches is not None:
            return Corpus.from_batches(self.batches, program.inputs, seed=seed)
        if self.documents is None and self.writer is not None:
            return self._written(program, self.writer, tokens, batch, seed, progress)
        if self.tokenizer is None:
            raise InputError(
                "the model has no tokenizer, so prunec cannot make calibration data for it",
                "put the tokenizer's files into the model folder, or call prunec.compile with batches",
            )
        is_default = self.documents is None
        return Corpus.build(
            standard_library_texts(seed) if self.documents is None else self.documents,
            self.tokenizer,
            program.inputs,
            packs=self.packs,
            sequence=self.sequence,
            batch=batch,
            score_tokens=tokens[0],
            choose_tokens=tokens[1],
            report_tokens=tokens[2],
            seed=seed,
            description="docstrings of the Python standard library" if is_default else self.description,
            is_default=is_default,
        )

    def _written(
        self, program: Program, writer: Writer, tokens: tuple[int, int, int], batch: int, seed: int, progress: Progress
    ) -> Corpus:
        windows = writer(sum(tokens), self.sequence, seed, progress)
        return Corpus.from_windows(
            windows,
            program.inputs,
            batch=batch,
            score_tokens=tokens[0],
            choose_tokens=tokens[1],
            report_tokens=tokens[2],
            description="text that the model wrote itself",
            is_default=True,
        )
