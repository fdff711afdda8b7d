"""A device or a type that ONNX Runtime lacks is an error, and a session on a device has its provider alone."""

from __future__ import annotations

import platform
from pathlib import Path

import onnxruntime as ort
import pytest

from prunec.backends.onnx import OnnxBackend, providers
from prunec.backends.onnx.runner import OnnxRunner
from prunec.cost.numerics import Numerics
from prunec.errors import InputError
from tests.backends.agreement import WORKLOAD


class Session:
    """Stands in for a session: remembers what it was made with, and runs on what it is told."""

    made_with: object = None
    falls_back: object = None
    runs_on = ("CUDAExecutionProvider", "CPUExecutionProvider")

    def __init__(self, path: str, options: object, providers: object, enable_fallback: int = 1) -> None:
        Session.made_with, Session.falls_back = providers, enable_fallback

    def get_providers(self) -> list[str]:
        return list(self.runs_on)

    def get_modelmeta(self) -> object:
        return type("Meta", (), {"custom_metadata_map": {}})

    def get_inputs(self) -> list[object]:
        return []

    get_outputs = get_inputs


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that has CUDA, with kernels for fp16."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(providers, "has_half_products", lambda device: device == "cuda")


def test_a_device_without_its_provider_is_refused() -> None:
    with pytest.raises(InputError, match=r"no CUDAExecutionProvider here, but .*CPUExecutionProvider.*onnxruntime-gpu"):
        OnnxBackend().at(Numerics(device="cuda"))


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "int4"])
def test_a_device_that_is_there_is_taken(gpu: None, dtype: str) -> None:
    backend = OnnxBackend().at(Numerics(dtype, "cuda"))
    assert backend.runtime.endswith("cuda")


def test_types_without_kernels_are_refused(gpu: None) -> None:
    with pytest.raises(InputError, match="CUDAExecutionProvider has no kernels for values quantised"):
        OnnxBackend().at(Numerics("int8", "cuda"))
    with pytest.raises(InputError, match="CPUExecutionProvider has no kernels for products of fp16"):
        OnnxBackend().at(Numerics("fp16"))


def test_a_session_has_the_provider_of_the_device_alone(
    gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.onnx").touch()
    monkeypatch.setattr(ort, "InferenceSession", Session)
    OnnxRunner.open(tmp_path / "a.onnx", WORKLOAD, "cuda")
    assert Session.made_with == [("CUDAExecutionProvider", providers.OPTIONS["cuda"])]
    assert Session.falls_back == 0
    monkeypatch.setattr(Session, "runs_on", ("CPUExecutionProvider",))
    with pytest.raises(
        InputError, match=r"cannot start CUDAExecutionProvider .* and would run on CPUExecutionProvider"
    ):
        OnnxRunner.open(tmp_path / "a.onnx", WORKLOAD, "cuda")


def test_a_device_that_does_not_start_is_not_taken_for_one_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", Session)
    monkeypatch.setattr(Session, "runs_on", ("CPUExecutionProvider",))
    providers.has_half_products.cache_clear()
    with pytest.raises(InputError, match="cannot start CUDAExecutionProvider for a product of fp16"):
        OnnxBackend().at(Numerics("fp16", "cuda"))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors may have such kernels")
def test_a_product_of_fp16_that_is_computed_in_fp32_is_none() -> None:
    assert not providers.has_half_products("cpu")


def test_the_runtime_says_type_and_device(gpu: None) -> None:
    assert OnnxBackend().runtime == f"onnxruntime {ort.__version__}"
    assert OnnxBackend().at(Numerics("fp16", "cuda")).runtime == f"onnxruntime {ort.__version__}, fp16, cuda"
