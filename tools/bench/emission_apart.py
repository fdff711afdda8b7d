"""Exporters that need other packages than prunec's: one, with what it needs on the path, in a process of its own.

    PYTHONPATH=.cache/optimum python -m tools.bench.emission_apart optimum .cache/models/minilm-l6 file.onnx plain
    PYTHONPATH=.cache/genai python -m tools.bench.emission_apart genai .cache/models/smollm2-135m file.onnx cached

What is printed last is the seconds from the folder to the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx_ir as ir

CACHE_RANK = 4
"""Of keys and values: `[batch, heads, positions, head size]`."""


def by_optimum(model: Path, path: Path, *, cached: bool) -> None:
    """The exporter of optimum, at its highest level for ONNX Runtime on a CPU, O3."""
    from optimum.exporters.onnx import main_export

    causal = any(name.endswith("ForCausalLM") for name in _config(model)["architectures"])
    task = "text-generation-with-past" if cached else "text-generation" if causal else "feature-extraction"
    with tempfile.TemporaryDirectory() as scratch:
        main_export(str(model), scratch, task=task, optimize="O3", framework="pt", do_validation=False)
        _moved(Path(scratch) / "model.onnx", path, 0)


def by_genai(model: Path, path: Path, *, cached: bool) -> None:
    """The model builder of onnxruntime-genai, float32 for the CPU; it knows no graph without a cache."""
    assert cached
    config = _config(model)
    with tempfile.TemporaryDirectory() as scratch:
        words = ["-i", str(model), "-o", scratch, "-c", scratch, "-p", "fp32", "-e", "cpu"]
        subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", *words], check=True)
        size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        _moved(Path(scratch) / "model.onnx", path, size)


EXPORTERS = {"optimum": by_optimum, "genai": by_genai}


def _config(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "config.json").read_text())
    return found


def _moved(made: Path, path: Path, head_size: int) -> None:
    """Write the file that was made to `path` in one piece, with the head size where it was left open."""
    model = ir.external_data.load_to_model(ir.load(made))
    for value in (*model.graph.inputs, *model.graph.outputs):
        if head_size and value.shape is not None and len(value.shape) == CACHE_RANK:
            value.shape = ir.Shape([*list(value.shape)[:-1], head_size])
    ir.save(model, path)


def main(name: str, model: str, path: str, graph: str) -> None:
    """Write `path` by the exporter `name`, `graph` either plain or cached, and print the seconds."""
    started = time.perf_counter()
    EXPORTERS[name](Path(model), Path(path), cached=graph == "cached")
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
