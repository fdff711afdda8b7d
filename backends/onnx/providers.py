"""What ONNX Runtime runs on here: execution providers by device, and which types each has kernels for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from prunec.cost.numerics import Numerics
from prunec.errors import InputError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
OPTIONS: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}}
"""By device. On a GPU float32 stays float32, and no convolution is tried out at the first request."""
ELSEWHERE = {"cuda": "install onnxruntime-gpu, or leave --device out", "cpu": "install onnxruntime"}


def check(numerics: Numerics) -> None:
    """Make sure that ONNX Runtime can compute so here.

    Raises:
        InputError: it lacks the device's provider, or the provider lacks kernels for the type.
    """
    provider, here = PROVIDERS[numerics.device], ort.get_available_providers()
    if provider not in here:
        raise InputError(
            f"ONNX Runtime {ort.__version__} has no {provider} here, but {' and '.join(here)}",
            ELSEWHERE[numerics.device],
        )
    if numerics.dtype == "int8" and numerics.device != "cpu":
        raise InputError(
            f"{provider} has no kernels for values quantised at each request", "give --dtype fp16, or --device cpu"
        )
    if numerics.dtype == "fp16" and not has_half_products(numerics.device):
        raise InputError(
            f"{provider} has no kernels for products of fp16 here: it would compute them in fp32",
            "give --dtype int8, or leave --dtype out",
        )


def providers(device: str) -> list[tuple[str, dict[str, str]]]:
    """What a session on `device` is made with: the one provider, so that nothing else is fallen back to unsaid."""
    return [(PROVIDERS[device], OPTIONS[device])]


def require(session: ort.InferenceSession, device: str, path: Path) -> None:
    """Make sure that `session` runs on `device`: ONNX Runtime goes on without a provider that fails to start.

    Raises:
        InputError: it does not.
    """
    if PROVIDERS[device] not in session.get_providers():
        raise InputError(
            f"ONNX Runtime cannot start {PROVIDERS[device]} for {path}, and would run on "
            f"{' and '.join(session.get_providers())}",
            "look whether the driver and the libraries of the device are installed",
        )


@cache
def has_half_products(device: str) -> bool:
    """Whether a product of fp16 stays one when it is loaded; where no kernel is, casts to fp32 are put around it."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [8, 8]) for name in ("x", "w", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "half", value[:2], value[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "half.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=providers(device))
        loaded = onnx.load(options.optimized_model_filepath)
    return all(node.op_type != "Cast" for node in loaded.graph.node)
