"""The artifact kinds that prunec writes and runs."""

BACKENDS = {
    "onnx": "prunec.backends.onnx:OnnxBackend",
    "torch-export": "prunec.backends.torchexport:TorchExportBackend",
    "torchscript": "prunec.backends.torchscript:TorchScriptBackend",
}
"""Name to class, imported when asked for."""
