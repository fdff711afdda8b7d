"""What a decoder is calibrated on: the model's own answers, or the text itself where it gives none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, T5ForConditionalGeneration, T5Model

from prunec.calibration.batching import Batch
from prunec.calibration.replies import Replier
from prunec.calibration.tokens import DECODER, DECODER_MASK
from prunec.frontends.replies import LONGEST, replier_for
from prunec.passbase import Silent

START, PAD, END = 3, 0, 1


@pytest.fixture(scope="module")
def model() -> T5ForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"vocab_size": 12, "d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    named = {"decoder_start_token_id": START, "pad_token_id": PAD, "eos_token_id": END}
    config: Any = AutoConfig.for_model("t5", **sizes, **named)
    made = T5ForConditionalGeneration(config)
    made.eval()
    return made


@pytest.fixture
def reply(model: T5ForConditionalGeneration) -> Replier:
    found = replier_for(model.config, model)
    assert found is not None
    return found


def batch(rows: int, length: int, seed: int = 0) -> Batch:
    ids = torch.randint(4, 12, (rows, length), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def test_every_row_begins_with_the_start_and_ends_before_the_end(reply: Replier) -> None:
    for found in reply([batch(8, 5)], 0, Silent()):
        ids, mask = found[DECODER], found[DECODER_MASK]
        assert ids.shape == mask.shape
        assert (ids[:, 0] == START).all()
        for row, kept in zip(ids, mask.bool(), strict=True):
            length = int(kept.sum())
            assert kept[:length].all()
            assert END not in row[:length].tolist()
            assert (row[length:] == PAD).all()


def test_a_batch_is_no_longer_than_its_longest_answer(reply: Replier) -> None:
    for found in reply([batch(3, 5), batch(2, 9)], 0, Silent()):
        assert found[DECODER].shape[1] == max(2, int(found[DECODER_MASK].sum(1).max())) <= LONGEST


def test_what_the_encoder_reads_stays(reply: Replier) -> None:
    given = batch(3, 5)
    (found,) = reply([given], 0, Silent())
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_the_same_seed_answers_the_same_and_another_does_not(reply: Replier) -> None:
    first, again, other = (reply([batch(8, 5)], seed, Silent())[0][DECODER] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_answers_are_drawn_from_what_the_model_says(model: T5ForConditionalGeneration, reply: Replier) -> None:
    given = batch(1, 5)
    rows = {name: value.expand(90, -1) for name, value in given.items()}
    drawn = torch.cat([found[DECODER][:, 1] for found in reply([rows] * 20, 0, Silent())])
    with torch.no_grad():
        expected = model(**given, decoder_input_ids=torch.tensor([[START]])).logits[0, -1].softmax(-1)
    found = torch.bincount(drawn, minlength=12) / len(drawn)
    ordinary = [token for token in range(12) if token not in (PAD, END)]  # these two end a row
    assert (found - expected)[ordinary].abs().max() < 5 * (0.25 / len(drawn)) ** 0.5


def test_a_model_without_a_head_reads_the_text_itself(model: T5ForConditionalGeneration) -> None:
    reply = replier_for(model.config, T5Model(model.config))
    assert reply is not None
    given = batch(2, 5)
    padded = {"input_ids": torch.cat([given["input_ids"], torch.zeros(2, 2, dtype=torch.long)], dim=1)}
    (found,) = reply([padded], 0, Silent())
    assert found[DECODER][:, 0].tolist() == [START, START]
    assert torch.equal(found[DECODER][:, 1:], given["input_ids"])
    assert (found[DECODER_MASK] == 1).all()


def test_a_decoder_of_one_length_gets_that(model: T5ForConditionalGeneration) -> None:
    reply = replier_for(model.config, model, fixed=7)
    assert reply is not None
    assert {found[DECODER].shape[1] for found in reply([batch(2, 5), batch(3, 4)], 0, Silent())} == {7}


def test_what_has_no_decoder_gets_nothing(model: T5ForConditionalGeneration) -> None:
    assert replier_for(AutoConfig.for_model("bert")) is None
