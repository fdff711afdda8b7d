"""What every test shares: quiet libraries, the fetched models, and three tiny random models on disk."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before any library reads them: nothing is looked up on the network, and tests do not fight over the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    CpmAntConfig,
    CpmAntForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

# Tests share a machine with each other: how long an example takes says nothing of it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
SETTINGS = (
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_PROGRESS_BARS",
    "TRANSFORMERS_VERBOSITY",
    "TOKENIZERS_PARALLELISM",
    "OMP_WAIT_POLICY",
)
SPECIAL_TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors run quickest on one thread."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Every test draws the same numbers, alone or in a crowd."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache of measurements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def little_training() -> Iterator[None]:
    """The training at the end of a compile has a few steps where no number is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunec.passes.rewrite.distill.limits.MOST", 3)
        yield


@pytest.fixture(autouse=True, scope="session")
def any_noise() -> Iterator[None]:
    """Tables of tiny sublayers are used however noisy: on a machine that others use, microseconds are noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunec.cost.tables.TOLERATED", float("inf"))
        yield


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command settles for libraries is undone afterwards."""
    for name in SETTINGS:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    with warnings.catch_warnings():
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of real models: `smollm2-135m`, `minilm-l6` and `text/*.txt` in it."""
    folder = Path(os.environ.get("PRUNEC_MODELS") or ROOT / ".cache" / "models")
    missing = [name for name in ("smollm2-135m", "minilm-l6") if not (folder / name / "config.json").is_file()]
    if missing:
        reason = f"{folder} lacks {' and '.join(missing)}: run python tools/fetch_models.py {folder}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama on disk: 3 layers, 4 query heads of 16 on 2 KV heads, a gated FFN of 96, byte-level tokens."""
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return save_model(LlamaForCausalLM(config), tokenizer, tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session")
def tiny_bert_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT on disk: 2 layers, 4 heads of 16, an FFN of 96, byte-level tokens."""
    tokenizer = tiny_tokenizer()
    return save_model(BertForMaskedLM(tiny_bert_config(tokenizer)), tokenizer, tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_classifier_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT on disk that tells three named classes apart: 2 layers, 4 heads of 16, an FFN of 96."""
    tokenizer = tiny_tokenizer()
    names = ("law", "sport", "weather")
    config = tiny_bert_config(
        tokenizer, id2label=dict(enumerate(names)), label2id={name: number for number, name in enumerate(names)}
    )
    return save_model(BertForSequenceClassification(config), tokenizer, tmp_path_factory.mktemp("tiny-classifier"))


@pytest.fixture(scope="session")
def tiny_cpmant_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CPM-Ant on disk, which can be traced for one length of text only: 2 layers, an FFN of 48."""
    tokenizer = tiny_tokenizer()
    config = CpmAntConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_attention_heads=2,
        dim_head=16,
        dim_ff=48,
        num_hidden_layers=2,
        prompt_length=4,
        prompt_types=8,
        segment_types=8,
        position_bias_num_buckets=16,
        position_bias_max_distance=64,
    )
    return save_model(CpmAntForCausalLM(config), tokenizer, tmp_path_factory.mktemp("tiny-cpmant"))


def tiny_bert_config(tokenizer: PreTrainedTokenizerFast, **more: Any) -> BertConfig:
    """2 layers, 4 heads of 16, an FFN of 96."""
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        pad_token_id=0,
        **more,
    )


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    """Redraw every parameter, so that no bias is zero and no norm is the identity, and save the directory."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / parameter.shape[-1] ** 0.5)
            else:
                parameter.copy_((1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0) + 0.1 * noise)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 300 tokens, trained on this project's own words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL_TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([__doc__, pytest.__doc__, torch.nn.Linear.__doc__], trainer)
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token", "mask_token"), SPECIAL_TOKENS, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=256, **names)
