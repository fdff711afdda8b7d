"""Folders of models that listen, or that say something of each pixel, are traced without being told how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    PreTrainedModel,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from prunec.frontends.huggingface import load

SMALL: dict[str, Any] = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}


def whisper() -> PreTrainedModel:
    config = WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, vocab_size=50, max_source_positions=20, max_target_positions=30,
        num_mel_bins=8, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    return WhisperForConditionalGeneration(config)


def ctc() -> PreTrainedModel:
    config = Wav2Vec2Config(
        hidden_size=16, conv_dim=(8, 8), conv_stride=(8, 8), conv_kernel=(10, 8),
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, vocab_size=20, **SMALL,
    )  # fmt: skip
    return Wav2Vec2ForCTC(config)


def spectrogram() -> PreTrainedModel:
    return ASTForAudioClassification(ASTConfig(hidden_size=16, max_length=32, num_mel_bins=24, **SMALL))


def segmentation() -> PreTrainedModel:
    config = SegformerConfig(
        num_encoder_blocks=1, depths=[1], sr_ratios=[2], hidden_sizes=[16], num_attention_heads=[2], patch_sizes=[3],
        strides=[8], mlp_ratios=[2], decoder_hidden_size=16,
    )  # fmt: skip
    return SegformerForSemanticSegmentation(config)


@pytest.mark.parametrize(
    ("make", "task", "shapes"),
    [
        (whisper, "automatic-speech-recognition", {"input_features": [8, 40], "decoder_input_ids": [5]}),
        (ctc, "automatic-speech-recognition", {"input_values": [16_000]}),
        (spectrogram, "audio-classification", {"input_values": [32, 24]}),
        (segmentation, "semantic-segmentation", {"pixel_values": [3, 224, 224]}),
    ],
)
def test_a_folder_says_its_task_and_its_inputs(make: object, task: str, shapes: object, tmp_path: Path) -> None:
    assert callable(make)
    model = make().eval()
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    example = dict(loaded.program.example)
    assert loaded.task.name == task
    assert {name: [*value.shape[1:]] for name, value in example.items()} == shapes
    with torch.no_grad():
        torch.testing.assert_close(loaded.program(example)["logits"], model(**example).logits)


def test_a_decoder_that_listens_has_so_many_positions(tmp_path: Path) -> None:
    whisper().save_pretrained(tmp_path)
    assert load(tmp_path).max_sequence == 30
