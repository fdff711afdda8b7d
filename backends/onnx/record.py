"""Nodes that translations make beside those that onnxscript has a schema of in their version of ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
from onnxscript import evaluator

RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


def record(
    name: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    outputs: int = 1,
    domain: str = "",
) -> Sequence[ir.Value]:
    """Put a node where translations put theirs; what it gives."""
    recorder: Any = evaluator.default()
    found = ir.node(name, inputs, attributes, domain=domain, num_outputs=outputs, version=1 if domain else None)
    recorder.nodes.append(found)
    return found.outputs
