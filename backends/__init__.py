"""The artifact kinds that prunec writes and runs."""

BACKENDS = {
    "onnx": "prunec.backends.onnx:OnnxBackend",
    "torchscript": "prunec.backends.torchscript:TorchScriptBackend",
}
"""Name to class, imported when asked for."""
