"""The cases: a small random model of nearly every model type of transformers, for each task that it has."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel
from transformers.models.auto import modeling_auto

from tests.zoo.config import parts, tiny_config
from tests.zoo.inputs import example_inputs
from tests.zoo.probe import accepted
from tests.zoo.sizes import SEED
from tests.zoo.special import Inputs
from tests.zoo.weights import randomise

TASKS = {
    "seq2seq_lm": "SEQ_TO_SEQ_CAUSAL_LM",
    "masked_lm": "MASKED_LM",
    "causal_lm": "CAUSAL_LM",
    "image_cls": "IMAGE_CLASSIFICATION",
    "ctc": "CTC",
    "audio_cls": "AUDIO_CLASSIFICATION",
    "speech_seq2seq": "SPEECH_SEQ_2_SEQ",
    "zero_shot_image": "ZERO_SHOT_IMAGE_CLASSIFICATION",
    "seq_cls": "SEQUENCE_CLASSIFICATION",
    "semantic_seg": "SEMANTIC_SEGMENTATION",
    "object_det": "OBJECT_DETECTION",
    "image_text_to_text": "IMAGE_TEXT_TO_TEXT",
    "base": "",
}
"""Our names to transformers' tables of classes; a model type's first task here is its primary one."""

SECONDARY = ("causal_lm", "masked_lm", "seq2seq_lm", "image_cls", "ctc", "audio_cls", "seq_cls")
"""Tasks that are a case of their own also where they are not a model type's primary one."""

VISIBLE = tuple((Path(__file__).parent / "visible.txt").read_text(encoding="utf-8").split())
"""The cases that are judged; the others are for seeing what rules made for these do elsewhere."""


@dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        name: `model type:task`.
        model_type: as in config.json.
        task: one of `TASKS`.
        primary: whether it is its model type's first case.
        class_name: the transformers class.
        seed: of weights and inputs.
    """

    name: str
    model_type: str
    task: str
    primary: bool
    class_name: str
    seed: int

    def build(self) -> tuple[nn.Module, Inputs]:
        """The model, in float32, and inputs that it takes; the same in every process."""
        torch.manual_seed(self.seed)
        config = tiny_config(self.model_type, self.task)
        kind: Any = getattr(transformers, self.class_name, None)
        if kind is None:
            kind = AutoModel._model_mapping[type(config)]
        wanted = getattr(kind, "config_class", None)
        if wanted is not None and not isinstance(config, wanted):  # such as a decoder over a composite config
            config = next((part for part in parts(config) if isinstance(part, wanted)), config)
        model: nn.Module = kind._from_config(config).float().eval()
        randomise(model, self.seed)
        return model, accepted(model, example_inputs(model, self.model_type, self.task, self.seed))


def cases() -> Iterator[Case]:
    """Every case: one primary case per model type first, then the secondary ones."""
    primary: dict[str, Case] = {}
    secondary: list[Case] = []
    for task, table in TASKS.items():
        name = f"MODEL_FOR_{table}_MAPPING_NAMES" if table else "MODEL_MAPPING_NAMES"
        for model_type, named in getattr(modeling_auto, name).items():
            if model_type not in CONFIG_MAPPING:
                continue
            class_name = named[0] if isinstance(named, (tuple, list)) else named
            seed = SEED + zlib.crc32(f"{model_type}:{task}".encode()) % 100_003
            case = Case(f"{model_type}:{task}", model_type, task, model_type not in primary, class_name, seed)
            if case.primary:
                primary[model_type] = case
            elif task in SECONDARY:
                secondary.append(case)
    yield from primary.values()
    yield from secondary


def case_named(name: str) -> Case:
    """The case called `name`; raises KeyError where there is none."""
    return {case.name: case for case in cases()}[name]
