"""From float32 products with weights to 8 or 4 bits, by ONNX Runtime's own tools."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from prunec.cost.numerics import BLOCK
from prunec.ir.products import products
from prunec.ir.program import Program

from .pack import BESIDE

BY_BLOCKS = 4
"""Of `MatMulNBits`: values are rounded to 8 bits as well, each token's by blocks, so that products are of integers."""
NARROW_STEPS = 64
"""Of weights either side of zero, where ONNX Runtime's tools are told to leave a bit out (`saturates`)."""
TRANSPOSED = ".transposed"
COARSE, FINE = "coarse", "fine"


def quantise(source: Path, program: Program, dtype: str, fine: Collection[str]) -> onnx.ModelProto:
    """The ONNX file `source` of `program` with the products rounded that `program` has.

    Tables that are looked up stay as they are, as does every product of two values.

    Args:
        source: float32, weights by the program's names, in a folder for passing files.
        program: what `source` was emitted from.
        dtype: `int8`: `MatMulInteger`, signed weights with a step for each output, values with one for all tokens
            together; `int4`: `MatMulNBits`.
        fine: weights whose products are `MatMulNBits` of 8 bits instead.
    """
    model = onnx.load(source)
    grids = rounded(program, fine)
    _spell_gemms(model, grids)
    nodes = dict(_rounded_nodes(model, grids))
    careful = {name for name, weight in nodes.items() if grids[weight] == FINE}
    coarse = nodes.keys() - careful
    _fold_transposed(model, nodes.keys())
    if dtype == "int8" and coarse:
        model = _by_tensor(model, coarse, source)
    for bits, names in ((4, coarse if dtype == "int4" else set()), (8, careful)):
        if names:
            model = _by_blocks(model, names, bits)
    return model


def rounded(program: Program, fine: Collection[str]) -> Mapping[str, str]:
    """The weights whose products are rounded, each with its grid: `FINE` or `COARSE`."""
    careful = _with_tied(program, fine)
    weights = _with_tied(program, {item.weight for item in products(program)})
    return {name: FINE if name in careful else COARSE for name in weights}


def stored_as(name: str) -> str:
    """The weight that a tensor of a file was, the first of several."""
    return name.partition(BESIDE)[0].removesuffix(TRANSPOSED)


def _by_tensor(model: onnx.ModelProto, names: Collection[str], source: Path) -> onnx.ModelProto:
    """`model` with the nodes called `names` as products of integers."""
    target = source.with_name(f"rounded-{source.name}")
    quantize_dynamic(
        model,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=saturates(),
        weight_type=QuantType.QInt8,
        nodes_to_quantize=sorted(names),
        use_external_data_format=True,
        # Behind operators of ONNX Runtime's own no type is inferred, and all that products are of is float32.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    return onnx.load(target)


def _by_blocks(model: onnx.ModelProto, names: Collection[str], bits: int) -> onnx.ModelProto:
    """`model` with the weights of the nodes called `names` in blocks, symmetric."""
    others = [node.name for node in model.graph.node if node.name not in names]
    work = MatMulNBitsQuantizer(
        model, bits, BLOCK, is_symmetric=True, accuracy_level=BY_BLOCKS, nodes_to_exclude=others
    )
    work.process()
    found: onnx.ModelProto = work.model.model
    return found


def _spell_gemms(model: onnx.ModelProto, weights: Collection[str]) -> None:
    """Spell each `Gemm` by one of `weights` as a product, under its name, and an addition: no tool rounds a `Gemm`."""
    known = {name for node in model.graph.node for name in node.output} | {it.name for it in model.graph.initializer}
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        plain = node.op_type == "Gemm" and node.input[1] in weights
        model.graph.node.extend(_spelled(node, known) if plain else [node])


def _spelled(gemm: onnx.NodeProto, known: set[str]) -> Iterator[onnx.NodeProto]:
    """What computes the same as `gemm`; itself where it scales. `known` has the names that values have."""
    settings = {item.name: helper.get_attribute_value(item) for item in gemm.attribute}
    if settings.get("alpha", 1.0) != 1.0 or settings.get("beta", 1.0) != 1.0 or settings.get("transA", 0):
        yield gemm
        return
    value, weight, *bias = filter(None, gemm.input)
    if settings.get("transB", 0):
        source, weight = weight, f"{weight}{TRANSPOSED}"
        if weight not in known:
            known.add(weight)
            yield helper.make_node("Transpose", [source], [weight], name=weight, perm=[1, 0])
    product = f"{gemm.output[0]}.product" if bias else gemm.output[0]
    yield helper.make_node("MatMul", [value, weight], [product], name=gemm.name)
    if bias:
        yield helper.make_node("Add", [product, *bias], gemm.output, name=f"{gemm.name}.bias")


def _rounded_nodes(model: onnx.ModelProto, weights: Collection[str]) -> Iterator[tuple[str, str]]:
    """The nodes that are products with one of `weights`, each with its weight's name."""
    for node in model.graph.node:
        name = stored_as(node.input[1]) if node.op_type == "MatMul" else ""
        if name in weights:
            yield node.name, name


def _fold_transposed(model: onnx.ModelProto, names: Collection[str]) -> None:
    """Store the weights that the nodes called `names` read transposed, such as that of a head tied to its table."""
    stored = {item.name: item for item in model.graph.initializer}
    read = {node.input[1] for node in model.graph.node if node.name in names}
    for node in [item for item in model.graph.node if item.op_type == "Transpose" and item.output[0] in read]:
        weight = numpy_helper.to_array(stored[node.input[0]])
        turned = numpy_helper.from_array(np.ascontiguousarray(weight.T), node.output[0])
        model.graph.initializer.append(turned)
        model.graph.node.remove(node)


def _with_tied(program: Program, names: Collection[str]) -> set[str]:
    """`names`, and all that name the same tensors."""
    tensors = program.tensors()
    places = {tensors[name].data_ptr() for name in names if name in tensors}
    return {name for name, tensor in tensors.items() if tensor.data_ptr() in places}


@cache
def saturates() -> bool:
    """Whether this machine's integer products overflow 16 bits on the way, so that weights must have 7 bits.

    Found by a product that does: x86 processors without VNNI add pairs of products in 16 bits.
    """
    size = 64
    weight = numpy_helper.from_array(np.full((size, size), 127, np.int8), "weight")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "weight"], ["y"])],
        "overflow",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [size, size])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [size, size])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.full((size, size), 255, np.uint8)})
    return bool((found != 255 * 127 * size).any())
