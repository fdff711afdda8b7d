"""What a user would write an ONNX file with instead: one exporter, one model, one process.

    python -m tools.bench.emission_rivals torch .cache/models/minilm-l6 file.onnx plain

All write the same computation: of a causal language model logits, without a cache (plain) or with one (cached), of
another, such as one of images, hidden states. What is printed is the seconds from the folder to the file, tracing
included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
import transformers
from onnxscript.rewriter.ort_fusions import optimize_for_ort
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers.exporters.configs import OnnxConfig
from transformers.exporters.exporter_onnx import OnnxExporter

from prunec.backends.onnx import OnnxBackend
from prunec.frontends.huggingface import load
from prunec.frontends.images import IMAGES, image_size

BATCH, SEQUENCE = 2, 7
ROWS = {0: torch.export.Dim.DYNAMIC}
TOKENS = ROWS | {1: torch.export.Dim.DYNAMIC}


def ours(model: Path, path: Path) -> None:
    """This package."""
    OnnxBackend().emit(load(model).program, path)


def ours_cached(model: Path, path: Path) -> None:
    """This package, as `--kv-cache` writes it."""
    OnnxBackend().emit(load(model, with_cache=True).program, path)


def by_torch(model: Path, path: Path) -> None:
    """`torch.onnx.export(dynamo=True)`: ONNX Runtime does its full optimisation when it loads the file."""
    ir.save(_exported(model), path)


def by_onnxscript(model: Path, path: Path) -> None:
    """The same, and onnxscript's fusions for ONNX Runtime."""
    fused, _ = optimize_for_ort(_exported(model))
    ir.save(fused, path)


def by_transformers(model: Path, path: Path) -> None:
    """The exporter of transformers, with its fusions for the CPU."""
    config = OnnxConfig(dynamic=True, ort_fusions="cpu")
    inputs: dict[str, Any] = dict(example(model))
    ir.save(OnnxExporter().export(pretrained(model), inputs, config=config).program, path)


Exporter = Callable[[Path, Path], None]
EXPORTERS: Mapping[str, Mapping[str, Exporter]] = {
    "plain": {"prunec": ours, "torch": by_torch, "onnxscript": by_onnxscript, "transformers": by_transformers},
    "cached": {"prunec": ours_cached},
}


class _First(nn.Module):
    """A model whose only output is its first: logits, or hidden states."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]


class _FirstOfImages(_First):
    """The same of a model of images."""

    def forward(self, pixel_values: Tensor) -> Any:  # type: ignore[override]
        return self.model(pixel_values=pixel_values, return_dict=False)[0]


def _exported(model: Path) -> ir.Model:
    images = reads_images(model)
    program = torch.onnx.export(
        (_FirstOfImages if images else _First)(pretrained(model)),
        kwargs=example(model),
        output_names=["logits" if is_causal(model) else "last_hidden_state"],
        dynamic_shapes=dict.fromkeys(example(model), ROWS if images else TOKENS),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    return program.model


def pretrained(model: Path) -> PreTrainedModel:
    """The model of a folder as transformers loads it, in float32, without a cache."""
    config = AutoConfig.from_pretrained(model)
    config.use_cache = False
    loader: Any = AutoModelForCausalLM if is_causal(model) else AutoModel
    loaded: PreTrainedModel = loader.from_pretrained(model, config=config, dtype=torch.float32)
    loaded.eval()
    return loaded


def is_causal(model: Path) -> bool:
    """Whether the model of a folder tells the next token."""
    return any(name.endswith("ForCausalLM") for name in _architectures(model))


def reads_images(model: Path) -> bool:
    """Whether the model of a folder reads images and nothing else."""
    return all(getattr(transformers, name).main_input_name == IMAGES for name in _architectures(model))


def _architectures(model: Path) -> list[str]:
    found: list[str] = AutoConfig.from_pretrained(model).architectures
    return found


def example(model: Path) -> dict[str, Tensor]:
    """Two images, or two prompts, the first padded on the left: a mask of ones would be traced away."""
    if reads_images(model):
        return {IMAGES: torch.randn(BATCH, 3, *(image_size(model) or ()))}
    mask = torch.ones(BATCH, SEQUENCE, dtype=torch.long)
    mask[0, :2] = 0
    return {"input_ids": torch.arange(BATCH * SEQUENCE).reshape(BATCH, SEQUENCE), "attention_mask": mask}


def main(name: str, model: str, path: str, graph: str) -> None:
    """Write `path` by the exporter `name`, `graph` either plain or cached, and print the seconds."""
    started = time.perf_counter()
    EXPORTERS[graph][name](Path(model), Path(path))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
