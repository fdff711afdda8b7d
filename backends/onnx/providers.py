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
from prunec.options import DEVICES

from .whole import SINCE

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
OPTIONS: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}}
"""By device. On a GPU float32 stays float32, and no convolution is tried out at the first request."""
OLDEST = 18
"""The version of ONNX's operators that translations are written in."""
INSTALLED = "look whether the driver and the libraries of the device are installed"
ELSEWHERE = {"cuda": "install onnxruntime-gpu, or leave --device out", "cpu": "install onnxruntime"}


def check(numerics: Numerics) -> None:
    """Make sure that ONNX Runtime can compute so here.

    Raises:
        InputError: it lacks the device's provider or cannot start it, or the provider lacks kernels for the type.
    """
    provider, here = PROVIDERS[numerics.device], ort.get_available_providers()
    if provider not in here:
        raise InputError(
            f"ONNX Runtime {ort.__version__} has no {provider} here, but {' and '.join(here)}",
            ELSEWHERE[numerics.device],
        )
    if numerics.opset is not None and not OLDEST <= numerics.opset <= SINCE:
        raise InputError(
            f"files of opset {numerics.opset} cannot be written: prunec knows {OLDEST} to {SINCE}",
            "give one of these with --opset, or leave it out",
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


def opened(model: str | bytes, options: ort.SessionOptions, device: str, name: str) -> ort.InferenceSession:
    """A session of `model`, a path or the content of a file, on `device`: what has no kernel there runs on the CPU.

    Raises:
        InputError: ONNX Runtime does not take the model, which is called `name`, or cannot start the device's provider.
    """
    try:
        # By itself the Python API begins anew on the CPU where a session cannot be made, and where a run fails.
        session = ort.InferenceSession(
            model, options, providers=[(PROVIDERS[device], OPTIONS[device])], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        reason = str(error).strip().splitlines()[-1]
        fix = "emit it again" if device == DEVICES[0] else f"emit it again, or {INSTALLED}"
        raise InputError(f"ONNX Runtime cannot load {name} ({reason})", fix) from error
    _require(session, device, name)
    return session


def _require(session: ort.InferenceSession, device: str, name: str) -> None:
    """Make sure that `session` runs on `device`: ONNX Runtime goes on without a provider that fails to start.

    Raises:
        InputError: it does not.
    """
    if PROVIDERS[device] not in session.get_providers():
        raise InputError(
            f"ONNX Runtime cannot start {PROVIDERS[device]} for {name}, and would run on "
            f"{' and '.join(session.get_providers())}",
            INSTALLED,
        )


@cache
def has_half_products(device: str) -> bool:
    """Whether a product of fp16 stays one when it is loaded; where no kernel is, casts to fp32 are put around it.

    Raises:
        InputError: the device's provider cannot be started.
    """
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [8, 8]) for name in ("x", "w", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "half", value[:2], value[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "half.onnx")
        opened(model.SerializeToString(), options, device, "a product of fp16")
        loaded = onnx.load(options.optimized_model_filepath)
    return all(node.op_type != "Cast" for node in loaded.graph.node)
