"""Making an ONNX model small without changing what it computes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer


def optimise(model: ir.Model) -> None:
    """Fold constants, drop what is unused and merge what is equal, in place.

    onnxscript's whole optimiser adds rewrite rules whose matching takes time quadratic in the number of nodes
    (tens of seconds for thirty layers); ONNX Runtime does these rewrites itself when it loads the model.
    """
    common.InlinePass()(model)
    _name_transposed(model)
    optimizer.fold_constants_ir(model, onnx_shape_inference=False)
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
