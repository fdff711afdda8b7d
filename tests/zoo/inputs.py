"""Example inputs of any model, from the arguments of its forward and from its config."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedConfig

from tests.zoo.config import first, part
from tests.zoo.samples import audio, boxes, noise, ones, pixels, words
from tests.zoo.sizes import BATCH, DECODER_SEQUENCE, SEQUENCE, VOCABULARY
from tests.zoo.special import CORRECTIONS, REQUIRED, Inputs

MAIN = ("input_ids", "pixel_values", "input_features", "input_values", "pixel_values_videos", "inputs", "hidden_states")
"""What a model is taken to read where it does not say, the likeliest first."""

TEXT_TASKS = ("causal_lm", "masked_lm", "seq2seq_lm", "seq_cls", "zero_shot_image", "base")
IMAGE_TOKENS = ("image_token_id", "image_token_index")
MOST_IMAGE_TOKENS = 300


def example_inputs(model: Any, model_type: str, task: str, seed: int) -> Inputs:
    """Inputs by argument name, `BATCH` rows each; whether the model takes them is not tried."""
    generator = torch.Generator().manual_seed(seed + 1)
    return _Draft(model, model_type, task, generator).inputs_of_the_model()


@dataclass
class _Draft:
    """Inputs in the making: each step adds those of one modality, and draws in its turn."""

    model: Any
    model_type: str
    task: str
    draw: torch.Generator
    made: Inputs = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.config = self.model.config
        self.arguments = inspect.signature(self.model.forward).parameters
        self.text = part(
            config, "text_config", "language_config", "llm_config", "thinker_config", "text_encoder", "encoder"
        )
        self.vision = part(
            config, "vision_config", "vision_encoder_config", "visual_config", "backbone_config", "encoder_config"
        )
        self.audio = part(config, "audio_config", "audio_encoder_config", "encoder_config", "speech_config")
        vocabulary = first(self.text, "vocab_size", default=VOCABULARY)
        self.vocabulary = vocabulary if isinstance(vocabulary, int) else VOCABULARY
        self.main = self._main()

    def inputs_of_the_model(self) -> Inputs:
        self._add_text()
        self._add_pixels()
        if "grid_thw" in self.arguments:
            return self._patches()
        self._add_audio()
        self._add_main()
        self._add_decoder_text()
        self._add_boxes()
        self._add_image_prompt()
        if self.model_type in CORRECTIONS:
            CORRECTIONS[self.model_type](self.config, self.task, self.draw, self.made)
        self._add_required()
        return self.made

    def _main(self) -> str:
        main: str = getattr(self.model, "main_input_name", "input_ids") or "input_ids"
        if main in self.arguments:
            return main
        return next((name for name in MAIN if name in self.arguments), next(iter(self.arguments)))

    def _add_text(self) -> None:
        reads_text = self.main == "input_ids" or self.task in ("image_text_to_text", *TEXT_TASKS)
        if "input_ids" not in self.arguments or not reads_text:
            return
        ids = words(self.draw, vocabulary=self.vocabulary)
        end = getattr(self.text, "eos_token_id", None)
        if isinstance(end, int) and (
            self.task == "seq_cls" or (self.task == "zero_shot_image" and end < self.vocabulary)
        ):
            ids[:, -1] = end
        self.made["input_ids"] = ids
        if self.task != "causal_lm" and "attention_mask" in self.arguments:
            self.made["attention_mask"] = ones(BATCH, SEQUENCE)

    def _add_pixels(self) -> None:
        if "pixel_values" not in self.arguments:
            return
        if self.main == "pixel_values" or (self.main == "input_ids" and self.task == "zero_shot_image"):
            self.made["pixel_values"] = pixels(self.draw, self.vision, self.config)
        marked = any(getattr(self.config, name, None) is not None for name in IMAGE_TOKENS)
        two_towers = isinstance(getattr(self.config, "vision_config", None), PreTrainedConfig) and not marked
        if self.task == "base" and "input_ids" in self.arguments and "pixel_values" not in self.made and two_towers:
            self.made["pixel_values"] = pixels(self.draw, self.vision, self.config)

    def _patches(self) -> Inputs:
        """Images of 4 by 4 patches, all in one row, and their grids."""
        reads_states = "hidden_states" in self.arguments and "pixel_values" not in self.arguments
        side = first(self.config, "patch_size", default=8)
        channels = first(self.config, "num_channels", "in_channels", "in_chans", default=3)
        frames = first(self.config, "temporal_patch_size", default=1) or 1
        return {
            "hidden_states" if reads_states else "pixel_values": noise(
                self.draw, BATCH * 16, channels * frames * side * side
            ),
            "grid_thw": torch.tensor([[1, 4, 4]] * BATCH),
        }

    def _add_audio(self) -> None:
        has_tower = isinstance(getattr(self.config, "audio_config", None), PreTrainedConfig)
        unmarked = getattr(self.config, "audio_token_id", None) is None
        two_towers = self.task == "base" and "input_ids" in self.arguments and has_tower and unmarked
        for name in ("input_features", "input_values"):
            if name in self.arguments and (self.main == name or not self.made or two_towers):
                self.made[name] = audio(self.draw, name, self.audio, self.config)

    def _add_main(self) -> None:
        if self.main not in self.arguments or self.main in self.made:
            return
        if self.main in ("pixel_values_videos", "pixel_values_video"):
            image = pixels(self.draw, self.vision, self.config)
            frames = int(first(self.config, "num_frames", "frames_per_clip", default=2))
            self.made[self.main] = image.unsqueeze(1).repeat(1, min(frames, 4), 1, 1, 1)
        elif self.main == "inputs":
            self.made[self.main] = words(self.draw, vocabulary=self.vocabulary)

    def _add_decoder_text(self) -> None:
        generates = getattr(self.config, "is_encoder_decoder", False)
        generates = generates or self.task in ("speech_seq2seq", "seq2seq_lm")
        if "decoder_input_ids" not in self.arguments or not generates or self.task == "seq_cls":
            return
        decoder = part(self.config, "decoder", "text_config", "decoder_config")
        vocabulary = first(decoder, "vocab_size", default=VOCABULARY)
        vocabulary = vocabulary if isinstance(vocabulary, int) else VOCABULARY
        self.made["decoder_input_ids"] = words(self.draw, DECODER_SEQUENCE, vocabulary)

    def _add_boxes(self) -> None:
        if "bbox" not in self.arguments:
            return
        self.made["bbox"] = boxes(self.draw)
        if first(self.config, "bbox_scale") is not None or self.model_type == "bros":
            self.made["bbox"] = self.made["bbox"].float() / 40

    def _add_image_prompt(self) -> None:
        if "input_ids" not in self.made or "pixel_values" not in self.arguments or "pixel_values" in self.made:
            return
        if self.task in ("image_text_to_text", "base", "causal_lm", "seq2seq_lm"):
            prompt = self._image_prompt()
            self.made = self.made if prompt is None else prompt

    def _image_prompt(self) -> Inputs | None:
        """A prompt with as many image tokens as the model makes of one small image; None where that fails."""
        values = (getattr(self.config, name, None) for name in IMAGE_TOKENS)
        token = next((value for value in values if isinstance(value, int)), None)
        if token is None or not 0 <= token < self.vocabulary:
            return None
        images = pixels(self.draw, self.vision, self.config)
        try:
            count = self._image_tokens(images)
            before, after = (words(self.draw, length, self.vocabulary) for length in (3, 4))
            prompt = dict(self.made)
            prompt["input_ids"] = torch.cat([before, torch.full((BATCH, count), token), after], 1)
            if "attention_mask" in prompt:
                prompt["attention_mask"] = ones(BATCH, count + SEQUENCE)
            prompt["pixel_values"] = images
            with torch.no_grad():
                self.model(**prompt)
        except Exception:  # whatever a model raises that takes images in another way
            return None
        return prompt

    def _image_tokens(self, images: torch.Tensor) -> int:
        inner = getattr(self.model, "model", self.model)
        look: Any = getattr(self.model, "get_image_features", None) or getattr(inner, "get_image_features", None)
        with torch.no_grad():
            features = look(pixel_values=images)
        features = getattr(features, "pooler_output", features)
        rows: list[torch.Tensor] = list(features) if isinstance(features, (list, tuple)) else [features]
        count = sum(row.reshape(-1, row.shape[-1]).shape[0] for row in rows)
        if count % BATCH or not 0 < count // BATCH <= MOST_IMAGE_TOKENS:
            raise ValueError(f"{count} image tokens")
        return count // BATCH

    def _add_required(self) -> None:
        for name, argument in self.arguments.items():
            named = argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY)
            if name not in self.made and argument.default is argument.empty and named and name in REQUIRED:
                self.made[name] = REQUIRED[name](self.config, self.draw)
