"""The calibration corpus: batches for scoring, for choosing and for reporting, with no text in common."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prunec.calibration.batching import SHORTEST, Batch, Batches, batched, check_fed, packed, padded
from prunec.calibration.hashes import tensors_hash
from prunec.calibration.labels import LABELS, LabelledText, indexed
from prunec.calibration.passages import Cut, paragraphs, split, stretches
from prunec.calibration.tokens import DECODER_MASK
from prunec.errors import InputError
from prunec.ir.program import Input

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PARTS = ("scoring", "choosing", "reporting")
ANSWERED = 2
"""How much text there is to train on at most, in multiples of that for scoring, where a model must answer it."""


@dataclass(frozen=True)
class Corpus:
    """Calibration data in three disjoint parts; each batch maps program inputs to tensors `[batch, ...]`.

    Attributes:
        score: for importance and recovery.
        choose: for choosing between candidates.
        report: for the figures people read.
        description: where the data came from.
        data_hash: sha256 over every tensor of every part.
        is_default: whether the user gave none.
        notes: what the user should know, such as that there is less text than asked for.
        named: the corpora that it is made of, where the user named them.
        draw: reads about so many tokens, in batches of so many rows, from the passages that `score` is drawn from; None
            where there are no passages.
    """

    score: Batches
    choose: Batches
    report: Batches
    description: str
    data_hash: str
    is_default: bool
    notes: tuple[str, ...] = ()
    named: Mapping[str, Corpus] = field(default_factory=dict)
    draw: Callable[[int, int], Batches] | None = field(default=None, repr=False, compare=False)

    def training(self, tokens: int, batch: int) -> Batches:
        """Text to train on, about `tokens` tokens in batches of `batch` rows, or as much as there is.

        It is that of `score` and more from the same share of the user's text, which neither choosing nor reporting
        has a part of. Where there is no more, as of ready batches and what a model wrote, it is `score` as it is.
        """
        return self.draw(tokens, batch) if self.draw is not None else self.score

    @staticmethod
    def build(
        documents: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        program_inputs: Sequence[Input],
        *,
        labels: Sequence[str] = (),
        packs: bool,
        sequence: int,
        batch: int,
        score_tokens: int,
        choose_tokens: int,
        report_tokens: int,
        seed: int,
        description: str,
        is_default: bool,
        complete: Callable[[Batches], Batches] | None = None,
    ) -> Corpus:
        """Tokenise as much of `documents` as is needed, passages drawn by `seed` across all of them.

        Args:
            documents: the text; whole documents go to one part where they can (see `passages.split`).
            tokenizer: the model's.
            program_inputs: what the batches must hold.
            labels: what a classifier's outputs mean. Labelled texts are then rows of their own, never cut into
                passages, and batches hold the places of their labels besides (`labels.LABELS`).
            packs: whether windows are full (generative models), or paragraphs are padded (encoders).
            sequence: tokens in a window, or in a text at most.
            batch: rows in a batch.
            score_tokens: how much is wanted for scoring; padding does not count.
            choose_tokens: the same for choosing.
            report_tokens: the same for reporting.
            seed: for every draw.
            description: where the text comes from, for the report.
            is_default: whether the user gave no text.
            complete: adds to batches what text does not hold, such as the tokens that a decoder reads. That takes long,
                so that of more text for training less is drawn.

        Raises:
            InputError: there is too little text, a label is unknown, or the program takes more than text.
        """
        check_fed(program_inputs)
        documents = indexed(documents, labels)
        asked = (score_tokens, choose_tokens, report_tokens)
        passages = split(documents, asked, cutter(packs, sequence, sum(map(len, documents))), seed)
        make = packed if packs else padded
        drawn = [make(part, tokenizer, sequence, n, seed) for part, n in zip(passages, asked, strict=True)]
        if not all(rows for rows, _ in drawn):
            kind = "rows" if isinstance(documents[0], LabelledText) else "paragraphs"
            raise _too_little(description, sum(count for _, count in drawn), packs, sequence, sum(asked), kind)
        padding = tokenizer.pad_token_id or 0
        finish = complete or (lambda found: found)
        batches = [finish(batched(rows, program_inputs, batch, padding, seed)) for rows, _ in drawn]
        notes = (*_shortages([count for _, count in drawn], asked), *_unknown(batches, tokenizer))

        def draw(tokens: int, rows: int) -> Batches:
            most = tokens if complete is None else min(tokens, ANSWERED * score_tokens)
            texts, _ = make(passages[0], tokenizer, sequence, most, seed)
            return finish(batched(texts, program_inputs, rows, padding, seed))

        return replace(_corpus(batches, description, is_default, notes), draw=draw)

    @staticmethod
    def from_windows(
        windows: Tensor,
        program_inputs: Sequence[Input],
        *,
        batch: int,
        score_tokens: int,
        choose_tokens: int,
        report_tokens: int,
        description: str,
        is_default: bool,
    ) -> Corpus:
        """Split ready token ids `[rows, sequence]`, each row a text of its own, in the proportions wanted.

        Raises:
            InputError: there are fewer than three rows, or the program takes more than text.
        """
        check_fed(program_inputs)
        sizes = _proportions(len(windows), (score_tokens, choose_tokens, report_tokens), description)
        rows = [[{"input_ids": row.tolist()} for row in part] for part in windows.split(sizes)]
        return _corpus([batched(part, program_inputs, batch, 0, 0) for part in rows], description, is_default, ())

    @staticmethod
    def from_batches(
        batches: Sequence[Batch],
        program_inputs: Sequence[Input],
        *,
        seed: int = 0,
        description: str = "batches given from Python",
    ) -> Corpus:
        """Split ready batches: half for scoring, a quarter each for choosing and reporting.

        Fewer than three batches are split by rows.

        Raises:
            InputError: a batch lacks an input, or there are fewer than three rows.
        """
        kept = [_checked(batch, program_inputs, number) for number, batch in enumerate(batches)]
        if len(kept) < len(PARTS):
            kept = [{name: value[row : row + 1] for name, value in b.items()} for b in kept for row in range(_rows(b))]
        random.Random(seed).shuffle(kept)
        score, choose, _ = _proportions(len(kept), (2, 1, 1), description)
        parts = [tuple(kept[:score]), tuple(kept[score : score + choose]), tuple(kept[score + choose :])]
        return _corpus(parts, description, False, ())

    def share(self, count: int) -> Corpus:
        """A `count`-th of the batches for scoring and for choosing, at least one each, and all for reporting."""
        score, choose = (part[: -(-len(part) // count)] for part in (self.score, self.choose))
        return _corpus((score, choose, self.report), self.description, self.is_default, self.notes)


def check_sequence(sequence: int, max_sequence: int | None) -> None:
    """Refuse a sequence that the model cannot take.

    Raises:
        InputError: `sequence` is below 2 or above `max_sequence`.
    """
    if sequence < 2:
        raise InputError(f"a sequence of {sequence} is too short", "give 2 or more")
    if max_sequence is not None and sequence > max_sequence:
        raise InputError(f"a sequence of {sequence} is longer than the model takes", f"give {max_sequence} or fewer")


def _corpus(batches: Sequence[Batches], description: str, is_default: bool, notes: tuple[str, ...]) -> Corpus:
    score, choose, report = batches
    return Corpus(score, choose, report, description, tensors_hash(chain(*batches)), is_default, notes)


def cutter(packs: bool, sequence: int, characters: int) -> Cut:
    """How to cut a document: stretches of a window or two (shorter where there is little text), else paragraphs."""
    size = sequence * 8
    if not packs:
        return lambda text: [text] if isinstance(text, LabelledText) else paragraphs(text, size)
    return lambda text: stretches(text + "\n\n", max(1, min(size, characters // 30)))


def _too_little(description: str, found: int, packs: bool, sequence: int, wanted: int, kind: str) -> InputError:
    least = f"{len(PARTS) * sequence} tokens" if packs else f"{len(PARTS)} {kind} of {SHORTEST} tokens"
    return InputError(
        f"{description} is too little to calibrate with: {found} usable tokens",
        f"give more text: {least} at the very least, {wanted} tokens for the settings chosen",
    )


def _shortages(found: Sequence[int], wanted: Sequence[int]) -> tuple[str, ...]:
    """One note a part that got less than nine tenths of what was asked for."""
    return tuple(
        f"calibration text is short: {have} of {asked} tokens for {part}"
        for part, have, asked in zip(PARTS, found, wanted, strict=True)
        if have < 0.9 * asked
    )


def _unknown(batches: Sequence[Batches], tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """A note where much of the text is not in the tokenizer's vocabulary: it is the wrong kind of text."""
    if tokenizer.unk_token_id is None:
        return ()
    tokens = torch.cat([batch["input_ids"].flatten() for part in batches for batch in part if "input_ids" in batch])
    share = float((tokens == tokenizer.unk_token_id).float().mean())
    return (f"{share:.0%} of the calibration tokens are unknown to the tokenizer",) if share > 0.1 else ()


def _proportions(count: int, shares: Sequence[int], description: str) -> list[int]:
    """`count` in proportion to `shares`, at least one each."""
    if count < len(shares):
        raise InputError(f"{description}: {count} sequences are too few", f"give {len(shares)} or more")
    sizes = [max(1, round(count * share / sum(shares))) for share in shares]
    sizes[sizes.index(max(sizes))] += count - sum(sizes)
    return sizes


def _rows(batch: Mapping[str, Tensor]) -> int:
    return min((len(value) for value in batch.values()), default=0)


def _checked(batch: Batch, program_inputs: Sequence[Input], number: int) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}
    for item in program_inputs:
        value = batch.get(item.name)
        if not isinstance(value, Tensor):
            raise InputError(f"calibration batch {number} lacks a tensor {item.name}", "give every input of the model")
        if value.dtype != item.dtype:
            raise InputError(f"{item.name} in calibration batch {number} is {value.dtype}", f"give {item.dtype}")
        kept[item.name] = value
    return kept | {name: batch[name] for name in (LABELS, DECODER_MASK) if name in batch}
