"""From float32 to 16 bits, weights and values, by ONNX Runtime's own tool."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel


def halved(source: Path) -> onnx.ModelProto:
    """The float32 ONNX file `source` in 16 bits; inputs and outputs stay as they are."""
    # Told the path, the tool infers shapes in files; a model in memory it makes one message, of 2 GiB at most.
    found: onnx.ModelProto = convert_float_to_float16(str(source), keep_io_types=True)
    OnnxModel(found).topological_sort()  # what turns an input may stand behind what reads it
    return found
