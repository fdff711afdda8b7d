"""Making an ONNX model small without changing what it computes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer

from .sums import keep_additions


def optimise(model: ir.Model) -> None:
    """Fold constants, drop what is unused and merge what is equal, in place.

    onnxscript's whole optimiser adds rewrite rules whose matching takes time quadratic in the number of nodes
    (tens of seconds for thirty layers); ONNX Runtime does these rewrites itself when it loads the model.
    """
    common.InlinePass()(model)
    _name_transposed(model)
    _keep_padding(model)
    optimizer.fold_constants_ir(model, onnx_shape_inference=False)
    keep_additions(model)
    for step in (
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.ClearMetadataAndDocStringPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    ):
        step(model)


def _name_transposed(model: ir.Model) -> None:
    """Name what folding will turn into a weight of its own after the weight it was.

    One that several calls read is transposed for each; folding leaves equal weights, which become one later.
    """
    named: set[str] = set()
    for node in model.graph:
        source = node.inputs[0] if node.op_type == "Transpose" else None
        if source is not None and source.is_initializer():
            name = f"{source.name}.transposed"
            if name not in named:
                node.outputs[0].name = name
            named.add(name)


def _keep_padding(model: ir.Model) -> None:
    """Pad what is pooled by the least number above zero instead of zero.

    ONNX Runtime takes zeros before a `MaxPool` for the pool's own padding, which counts for nothing: where all
    that is pooled is negative, the largest is then no longer zero.
    """
    for pool in list(model.graph):
        source = pool.inputs[0] if pool.op_type == "MaxPool" else None
        pad = source.producer() if source is not None and source.dtype == ir.DataType.FLOAT else None
        if pad is not None and pad.op_type == "Pad" and _is_zero(pad.inputs[2] if len(pad.inputs) > 2 else None):
            least = ir.node("Constant", [], {"value": ir.tensor(np.finfo(np.float32).smallest_normal)})
            model.graph.insert_before(pad, least)
            pad.resize_inputs(max(len(pad.inputs), 3))
            pad.replace_input_with(2, least.outputs[0])


def _is_zero(value: ir.Value | None) -> bool:
    """Whether a pad's value is zero, as it is where none is given."""
    if value is None:
        return True
    tensor = ir.convenience.get_const_tensor(value)
    return tensor is not None and not tensor.numpy().any()
