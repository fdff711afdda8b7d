"""ONNX for ONNX Runtime: emit, load, run."""

from .backend import OnnxBackend

__all__ = ["OnnxBackend"]
