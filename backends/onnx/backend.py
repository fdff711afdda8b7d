"""The ONNX backend: programs to `.onnx` files that ONNX Runtime runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import onnx
import onnx_ir as ir

import prunec
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.files import atomic_path
from prunec.ir.program import Program

from ..quiet import quiet
from .optimise import optimise
from .runner import OnnxRunner
from .translate import translate

SLACK = 16 * 2**20
"""Bytes that a file takes besides its weights, at most."""


@dataclass(frozen=True)
class OnnxBackend:
    """ONNX for ONNX Runtime.

    Attributes:
        opset: version of the ONNX operators; 20 has every operator that transformers need as one node, and
            runs on every ONNX Runtime since 1.17.
        external_above: bytes of weights from which they go to a file of their own, `NAME.onnx.data`: one
            protobuf message cannot hold 2 GiB.
    """

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    side_suffixes: ClassVar[tuple[str, ...]] = (".data",)

    opset: int = 20
    external_above: int = 2**31 - SLACK

    @property
    def runtime(self) -> str:
        """ONNX Runtime and its version."""
        return f"onnxruntime {version('onnxruntime')}"

    def emit(self, program: Program, path: Path) -> None:
        """Write `path` (and `PATH.data` where the weights are large), checked, whole or not at all.

        Raises:
            VerificationError: the program cannot be said in ONNX.
            InputError: the file cannot be written.
        """
        with quiet():
            model = self._model(program)
            size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)
            with atomic_path(path, bytes_needed=size + SLACK) as part:
                data = path.name + self.side_suffixes[0] if size > self.external_above else None
                ir.save(model, part, external_data=data)
                _check(part)

    def load(self, path: Path, workload: Workload) -> OnnxRunner:
        """Load `path` with the workload's number of threads; raises InputError when it cannot be."""
        return OnnxRunner.open(path, workload)

    def _model(self, program: Program) -> ir.Model:
        try:
            model = translate(program, self.opset)
            optimise(model)
        except VerificationError:
            raise
        except Exception as error:
            raise VerificationError(f"the program cannot be translated to ONNX ({_last_line(error)})") from error
        for value, item in zip(model.graph.inputs, program.inputs, strict=True):
            value.name = item.name
        for value, name in zip(model.graph.outputs, program.outputs, strict=True):
            value.name = name
        _describe(model, program)
        return model


def _describe(model: ir.Model, program: Program) -> None:
    model.producer_name, model.producer_version = "prunec", prunec.__version__
    origin = program.provenance
    model.doc_string = f"{origin.model_class} for {origin.task}, compiled by prunec {prunec.__version__}"
    model.metadata_props.update(
        {"prunec.version": prunec.__version__, "prunec.model_class": origin.model_class, "prunec.task": origin.task}
    )


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(path)
    except onnx.checker.ValidationError as error:
        raise VerificationError(f"the emitted file breaks the ONNX standard ({_last_line(error)})") from error


def _last_line(error: BaseException) -> str:
    """The last line of the innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}"
