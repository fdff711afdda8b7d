"""Example inputs fit the model's own signature."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from prunec.errors import InputError
from prunec.frontends.samples import reshaped, sample_inputs
from prunec.frontends.tasks import TASKS

BERT = BertConfig(vocab_size=50, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2)


def test_text() -> None:
    feed = sample_inputs(BertModel(BERT), TASKS["feature-extraction"], None)
    inputs, axes = feed.arguments, feed.axes
    assert list(inputs) == ["input_ids", "attention_mask"]
    assert axes["input_ids"] == {0: "batch", 1: "sequence"}
    assert inputs["attention_mask"].tolist()[1][-1] == 0
    assert inputs["input_ids"][1, -1] == BERT.pad_token_id


@pytest.mark.parametrize("padding", [-1, 50, None])
def test_padding_that_is_no_token_is_the_first_one(padding: int | None) -> None:
    model = BertModel(BERT)
    model.config = BertConfig(**{**BERT.to_dict(), "pad_token_id": padding})
    tokens = sample_inputs(model, TASKS["feature-extraction"], None).arguments["input_ids"]
    assert tokens[1, -1] == 0
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 50


def test_sizes_that_are_asked_for() -> None:
    feed = sample_inputs(BertModel(BERT), TASKS["feature-extraction"], None, {"batch": 1, "sequence": 12})
    assert {tuple(value.shape) for value in feed.tensors().values()} == {(1, 12)}


def test_images() -> None:
    config = ViTConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=32)
    feed = sample_inputs(ViTModel(config), TASKS["feature-extraction"], None)
    assert {name: tuple(value.shape) for name, value in feed.tensors().items()} == {"pixel_values": (2, 3, 32, 32)}
    assert feed.axes == {"pixel_values": {0: "batch"}}


def test_sounds_are_as_long_as_the_data() -> None:
    config = Wav2Vec2Config(
        hidden_size=16, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, conv_dim=(8, 8),
        conv_kernel=(10, 4), conv_stride=(8, 4), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    model = Wav2Vec2Model(config)
    feed = sample_inputs(model, TASKS["feature-extraction"], None)
    longer = reshaped(model, feed, {"input_values": (900,)})
    assert {name: tuple(value.shape) for name, value in longer.tensors().items()} == {"input_values": (2, 900)}
    assert longer.axes == feed.axes
    assert reshaped(model, feed, {"input_values": (16000,)}) is feed


def test_data_of_a_shape_that_the_model_does_not_take_changes_nothing() -> None:
    config = ViTConfig(hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=32)
    model = ViTModel(config)
    feed = sample_inputs(model, TASKS["feature-extraction"], None)
    assert reshaped(model, feed, {"pixel_values": (3, 48, 48)}) is feed


def test_encoder_and_decoder() -> None:
    config = T5Config(vocab_size=50, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2)
    model = T5ForConditionalGeneration(config)
    feed = sample_inputs(model, TASKS["text2text-generation"], None)
    assert feed.axes["decoder_input_ids"] == {0: "batch", 1: "decoder_sequence"}
    with torch.no_grad():
        assert model(**feed.arguments).logits.shape == (2, 5, 50)


def test_inputs_that_the_model_does_not_take() -> None:
    with pytest.raises(InputError, match="BertModel takes none of pixel_values"):
        sample_inputs(BertModel(BERT), TASKS["image-classification"], None)
