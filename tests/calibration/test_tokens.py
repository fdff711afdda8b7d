"""What counts as a token, and what as padding."""

from __future__ import annotations

import torch

from prunec.calibration.tokens import sequences, token_count, without_padding

MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])
DECODING = {"input_ids": torch.ones(2, 3), "attention_mask": MASK, "decoder_input_ids": torch.ones(2, 3)}


def test_the_tokens_of_an_image_are_far_fewer_than_its_pixels() -> None:
    assert token_count({"pixel_values": torch.zeros(2, 3, 224, 224)}) == 588


def test_an_image_is_one_token_at_least() -> None:
    assert token_count({"pixel_values": torch.zeros(2, 3, 4, 4)}) == 2


def test_what_a_decoder_reads_is_not_cut_by_the_padding_of_its_encoder() -> None:
    _, padded = sequences(DECODING)
    assert padded["input_ids"].shape == (1, 1)
    assert padded["decoder_input_ids"].shape == (1, 3)


def test_tokens_that_may_be_a_decoders_are_all_kept() -> None:
    assert len(without_padding(torch.ones(6, 4), DECODING)) == 6


def test_the_tokens_of_an_encoder_are_kept_without_padding() -> None:
    assert len(without_padding(torch.ones(6, 4), DECODING | {"decoder_input_ids": torch.ones(2, 5)})) == 4
