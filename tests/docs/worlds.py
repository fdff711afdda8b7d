"""Folders that hold everything which the documentation's commands name: tiny models, texts and what prunec wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
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
from tests.docs.quick import loading_once, quickened, traced
from tests.frontends.test_images import CROP, noise_image, tiny_dinov2

DECODERS = ("smollm2",)
ENCODERS = ("BASE", "minilm-l6")
CLASSIFIERS = ("classifier",)
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
            (root / name).symlink_to(first)
    (root / "MODEL").symlink_to(root / (ENCODERS if encodes else DECODERS)[0])
    _write_texts(root)
    _draw_images(root)
    _tune(root)
    _compile(root, encodes)
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


def _bert(tokenizer: PreTrainedTokenizerFast, **more: Any) -> BertConfig:
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


def _draw_images(root: Path) -> None:
    """A model of images with an artifact of it, some to calibrate it on, and the like as its inputs."""
    OnnxBackend().emit(load(tiny_dinov2(root / "dinov2-small")).program, root / "dinov2.onnx")
    (root / "photos").mkdir()
    for number in range(16):
        noise_image(root / "photos" / f"{number}.png", 40, 50, "RGB")
    pixels = torch.randn(16, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))
    np.savez(root / "inputs.npz", pixel_values=pixels.numpy())


def _tune(root: Path) -> None:
    """A fine-tuning of the base, and what of it stays."""
    shutil.copytree(root / "BASE", root / "TUNED")
    weights, draw = load_file(root / "BASE" / "model.safetensors"), torch.Generator().manual_seed(3)
    moved = {name: value + 0.01 * torch.randn(value.shape, generator=draw) for name, value in weights.items()}
    save_file(moved, root / "TUNED" / "model.safetensors")
    prunec.ken(root / "TUNED", root / "BASE", root / "task.ken", keep=0.25)


def _compile(root: Path, encodes: bool) -> None:
    """`slim` and `dense` of `MODEL` in every form with scores and reports, and `topics` of the classifier."""
    text = root / "my_texts.jsonl"
    usual: dict[str, Any] = {"calibration": text, "importance": "magnitude", "cache": root / "cache"}
    with quickened(), loading_once(root):
        path = root / "slim.path.safetensors"
        slim = prunec.compile("MODEL", f"{root / 'slim'}/", speedup=1.5, save_path=path, **usual)
        assert isinstance(slim, prunec.CompileResult)
        if not encodes:
            prunec.compile("MODEL", f"{root / 'slim_hf'}/", speedup=1.5, emit="hf", **usual)
        for name, criterion in (("scores", "magnitude"), ("others", "random")):
            prunec.score("MODEL", root / f"{name}.safetensors", importance=criterion, calibration=text)
        dense = traced(root, "MODEL").program
        topics = traced(root, "classifier").program
    for backend in (OnnxBackend(), TorchExportBackend(), TorchScriptBackend()):
        backend.emit(slim.program, root / f"slim{backend.suffixes[0]}")
    OnnxBackend().emit(dense, root / "dense.onnx")
    shutil.copytree(root / "classifier", root / "topics", ignore=shutil.ignore_patterns("*.safetensors"))
    OnnxBackend().emit(topics, root / "topics" / "model.onnx")
    shutil.copy(root / "slim.onnx", root / "slim" / "model.onnx")
    for name in ("slim", "slim-1.25x", "slim-2x"):
        shutil.copy(root / "slim" / "report.json", root / f"{name}.report.json")
    loss = slim.report.loss
    assert loss is not None
    point = {"name": "int8", "latency_ms": 9.0, "losses": {item.name: item.slim for item in loss.texts}}
    (root / "answers.json").write_text(json.dumps({"points": [point]}))
