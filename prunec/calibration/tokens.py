"""The stream by sequences and by tokens: what counts once, however it was batched."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from prunec.errors import PassError

Batch = Mapping[str, Tensor]


DECODER, DECODER_MASK = "decoder_input_ids", "decoder_attention_mask"
"""What the decoder of an encoder-decoder reads, and which of it is no padding: beside a model's inputs, as labels are.
"""
LEAST_DECODED = 2
"""Tokens that a decoder reads at least: graphs are traced for no fewer."""
VALUES_A_TOKEN = 512
"""Numbers of an image or of sound that go into one token, roughly: a patch of 16 x 16 has 768 in three colours."""


def padding_mask(batch: Batch) -> Tensor | None:
    """The mask `[rows, tokens]` of the padding that outputs have; None where there is none, or nothing is known of it.

    With `decoder_input_ids` outputs lie along the decoder's tokens, of which `attention_mask` says nothing.
    """
    return batch.get(DECODER_MASK if DECODER in batch else "attention_mask")


def sequences(batch: Batch) -> list[Batch]:
    """One batch a sequence, without the padding that only its neighbours needed."""
    rows: list[Batch] = []
    for index in range(len(next(iter(batch.values())))):
        row = {name: value[index : index + 1] for name, value in batch.items()}
        mask = row.get("attention_mask")
        if mask is not None and mask.dim() == 2:
            kept = mask[0].nonzero().squeeze(-1)
            own = {name for name, value in row.items() if value.shape[1:] == mask.shape[1:]} - {DECODER, DECODER_MASK}
            row = {name: value[:, kept] if name in own else value for name, value in row.items()}
        if DECODER_MASK in row:
            length = max(LEAST_DECODED, int(row[DECODER_MASK].sum()))
            row |= {name: row[name][:, :length] for name in (DECODER, DECODER_MASK)}
        rows.append(row)
    return rows


def sequence_key(row: Batch, seed: int) -> int:
    """A number of the sequence's own, from its content and the seed, whatever its place in the stream."""
    content = b"".join(row[name].contiguous().numpy().tobytes() for name in sorted(row))
    return zlib.crc32(content, seed & 0xFFFFFFFF)


def without_padding(flat: Tensor, batch: Batch) -> Tensor:
    """The tokens `[tokens, ...]` of a batch without its padding.

    All of them where they could be an encoder's as well as a decoder's, of equally many tokens.
    """
    mask = batch.get("attention_mask")
    if DECODER in batch and batch[DECODER].numel() == len(flat):
        if (ids := batch.get("input_ids")) is not None and ids.numel() == len(flat):
            return flat
        mask = batch.get(DECODER_MASK)
    return flat[mask.reshape(-1).bool()] if mask is not None and mask.numel() == len(flat) else flat


def token_rows(values: Tensor, batch: Batch) -> Tensor:
    """`values` `[..., features]` as `[tokens, features]`, without padding."""
    return without_padding(values.reshape(-1, values.shape[-1]), batch)


def token_count(batch: Batch) -> int:
    """How many tokens a batch holds, padding aside; of images and sound, about how many are made of it."""
    first = next(iter(batch.values()))
    if first.is_floating_point():
        return max(len(first), first.numel() // VALUES_A_TOKEN)
    mask = batch.get("attention_mask")
    return int(mask.sum()) if mask is not None else first.numel()


def relative_error(values: Tensor, reference: Tensor, batch: Batch) -> Tensor:
    """Mean over tokens of `|y' - y|^2 / |y|^2`, for `values` y' and `reference` y, `[..., features]` both: a scalar."""
    own, wanted = token_rows(values, batch), token_rows(reference, batch)
    sizes = wanted.square().sum(-1).clamp(min=torch.finfo(wanted.dtype).tiny)
    return ((own - wanted).square().sum(-1) / sizes).mean()


def token_ids(shape: Sequence[int], batch: Batch) -> Tensor | None:
    """The ids `[tokens]` of values that lie in `shape`, features aside, padding left out.

    None where they do not lie as `input_ids` do, `[rows, tokens]` or one row after the other: images, one value a
    text, tokens that came first of all rows, or those that a router chose.
    """
    ids = batch.get("input_ids")
    if ids is None or tuple(shape) not in (tuple(ids.shape), (ids.numel(),)):
        return None
    return without_padding(ids.reshape(-1), batch)


def require_finite(place: str, values: Tensor) -> None:
    """Make sure that nothing overflowed at `place`.

    Raises:
        PassError: a value is not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise PassError(
            f"activations of {place} are not finite on the calibration text",
            "check the checkpoint: the dense model itself overflows there",
        )
