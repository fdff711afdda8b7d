"""Text that is measured on and nothing else: all of it, or so many tokens drawn from it, as batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunec.calibration.batching import SHORTEST, Batches, batched, packed, padded
from prunec.calibration.corpus import cutter
from prunec.calibration.labels import indexed
from prunec.calibration.textsource import Text
from prunec.errors import InputError
from prunec.ir.program import Input

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ALL = 10**15
"""More tokens than any text has."""


def read_batches(
    text: Text,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Sequence[Input],
    *,
    labels: Sequence[str],
    packs: bool,
    sequence: int,
    batch: int,
    tokens: int | None,
    seed: int,
) -> Batches:
    """`text` as batches, about `tokens` tokens from passages drawn by `seed`, or all of it where that is None.

    Args:
        text: the documents.
        tokenizer: the model's.
        inputs: what the batches hold.
        labels: what a classifier's outputs mean; see `Corpus.build`.
        packs: whether windows are full (generative models), or paragraphs are padded (encoders).
        sequence: tokens in a window, or in a text at most.
        batch: rows in a batch.
        tokens: how much is wanted.
        seed: for the draw, and the order of batches.

    Raises:
        InputError: there is no window, or no paragraph long enough; a label is unknown.
    """
    documents = indexed(text.documents, labels)
    cut = cutter(packs, sequence, sum(map(len, documents)))
    whole = packs and tokens is None
    passages = [f"{item}\n\n" for item in documents] if whole else [part for item in documents for part in cut(item)]
    rows, found = (packed if packs else padded)(passages, tokenizer, sequence, tokens or ALL, seed)
    if not rows:
        least = f"a window of {sequence} tokens" if packs else f"a paragraph of {SHORTEST} tokens"
        fix = "give more of it, or a smaller --sequence" if packs else "give more of it"
        raise InputError(f"{text.description} is too short: {found} usable tokens, which do not fill {least}", fix)
    return batched(rows, inputs, batch, tokenizer.pad_token_id or 0, seed)
