"""onnxsim on the file of any model: heads, channels and blocks, by its own calls with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from tools.bench.coverage_torch import SHARE
from tools.bench.rivals_onnx import smaller


def exported(model: nn.Module, inputs: Mapping[str, Tensor], path: Path) -> Path:
    """The file of torch's exporter, as it is for these inputs."""
    torch.onnx.export(model, (), str(path), kwargs=dict(inputs), dynamo=True, external_data=False, verbose=False)
    return path


def onnxsim(kind: str, path: Path) -> onnx.ModelProto:
    """What is left of the file at `path`."""
    import onnxsim as package

    model = onnx.load(path)
    if kind == "heads":
        pruned = package.apply_attention_head_pruning(model, sparsity=SHARE)
    elif kind == "neurons":
        pruned = package.apply_structured_pruning(model, sparsity=SHARE)
    else:
        pruned = package.apply_transformer_block_pruning(model, num_blocks_to_drop=1)
    return smaller(path, pruned)


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The weights of a file by name; shapes and other whole numbers are none."""
    found = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    return {name: value for name, value in found.items() if np.issubdtype(value.dtype, np.floating)}


def with_arrays(model: onnx.ModelProto, changed: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """`model` with other weights of the same shapes."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for item in result.graph.initializer:
        if item.name in changed:
            item.CopyFrom(numpy_helper.from_array(changed[item.name], item.name))
    return result


def outputs_of(model: onnx.ModelProto, inputs: Mapping[str, Tensor]) -> list[Any]:
    """What floating-point numbers `model` gives in ONNX Runtime, on one thread."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    known = {item.name for item in session.get_inputs()}
    fed = {name: value.numpy() for name, value in inputs.items() if name in known}
    return [item for item in session.run(None, fed) if np.issubdtype(item.dtype, np.floating)]
