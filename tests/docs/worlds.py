"""Folders that hold everything which the documentation's commands name: tiny models, texts and what prunec wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

import prunec
from prunec.backends.onnx import OnnxBackend
from prunec.backends.torchexport import TorchExportBackend
from prunec.backends.torchscript import TorchScriptBackend
from prunec.frontends.huggingface import load
from tests.conftest import save_model, tiny_tokenizer
from tests.docs.quick import quickened

DECODERS = ("smollm2", "smollm2-135m")
ENCODERS = ("minilm", "minilm-l6", "base", "BASE")
TUNED = ("tuned", "TUNED")
CLASSIFIERS = ("minilm-bbc",)
PROSE = ("my_texts", "wiki", "tales", "a", "b", "eval", "texts")


def world(root: Path, encodes: bool) -> Path:
    """A folder in which `MODEL`, and what was compiled, is an encoder or a decoder."""
    root.mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    models = {
        DECODERS: LlamaForCausalLM(_llama(tokenizer)),
        ENCODERS: BertModel(_bert(tokenizer)),
        CLASSIFIERS: BertForSequenceClassification(_bert(tokenizer, id2label={0: "law", 1: "sport"})),
    }
    for names, model in models.items():
        first = save_model(model, tokenizer, root / names[0])
        for name in names[1:]:
            shutil.copytree(first, root / name)
    shutil.copytree(root / (ENCODERS if encodes else DECODERS)[0], root / "MODEL")
    _write_texts(root)
    _tune(root)
    _compile(root)
    return root


def _llama(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def _bert(tokenizer: PreTrainedTokenizerFast, **more: object) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=160,
        pad_token_id=0,
        **more,
    )


def _write_texts(root: Path) -> None:
    for place, name in enumerate(PROSE):
        lines = [f"Sentence {n} says of number {n * n % 97} what {name} says of {n * place % 89}." for n in range(150)]
        (root / f"{name}.txt").write_text("\n\n".join(lines))
    rows = [{"text": line} for line in (root / "my_texts.txt").read_text().split("\n\n")]
    labelled = [{**row, "label": ("law", "sport")[n % 2]} for n, row in enumerate(rows)]
    for name, kept in (("my_texts", rows), ("texts", rows), ("labelled", labelled)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


def _tune(root: Path) -> None:
    """A fine-tuning of the base, and what of it stays."""
    for name in TUNED:
        shutil.copytree(root / "base", root / name)
    weights = load_file(root / "base" / "model.safetensors")
    draw = torch.Generator().manual_seed(3)
    moved = {key: value + 0.01 * torch.randn(value.shape, generator=draw) for key, value in weights.items()}
    for name in TUNED:
        save_file(moved, root / name / "model.safetensors")
    for name in ("news", "task"):
        prunec.ken(root / "tuned", root / "base", root / f"{name}.ken.safetensors", keep=0.25)


def _compile(root: Path) -> None:
    """`slim` and `dense` of `MODEL` in every form, with scores and reports."""
    text = root / "my_texts.jsonl"
    with quickened():
        path = root / "slim.path.safetensors"
        slim = prunec.compile(
            root / "MODEL", f"{root / 'slim'}/", speedup=1.5, calibration=text, save_path=path, cache=root / "cache"
        )
        for name in ("scores", "others", "wanda", "flap", "taylor", "random"):
            criterion = "magnitude" if name == "scores" else "random"
            prunec.score(root / "MODEL", root / f"{name}.safetensors", importance=criterion, calibration=text)
    dense = load(root / "MODEL").program
    backends = (OnnxBackend(), TorchExportBackend(), TorchScriptBackend())
    for backend in backends:
        for name, program in (("slim", slim.program), ("dense", dense)):
            backend.emit(program, root / f"{name}{backend.suffixes[0]}")
    shutil.copy(root / "slim.onnx", root / "slim" / "model.onnx")
    for name in ("slim", "slim-1.25x", "slim-2x"):
        shutil.copy(root / "slim" / "report.json", root / f"{name}.report.json")
