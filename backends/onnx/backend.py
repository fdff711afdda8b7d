"""The ONNX backend: programs to `.onnx` files that ONNX Runtime runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import onnx
import onnx_ir as ir
import onnxruntime as ort

import prunec
from prunec.cost.numerics import INT8_STEPS, PLAIN, ROUNDED, Numerics
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.files import atomic_path
from prunec.ir.program import Program

from ..quiet import quiet
from .halve import halved
from .optimise import optimise
from .pack import pack_products
from .providers import check
from .quantise import NARROW_STEPS, quantise, rounded, saturates, stored_as
from .runner import OnnxRunner
from .translate import translate
from .whole import SINCE

SLACK = 16 * 2**20
"""Bytes that a file takes besides its weights, at most."""
OPSETS = {"cpu": SINCE, "cuda": 20}
"""By device, the version of ONNX's operators where none is asked for.

The one with attention as one operator is read by ONNX Runtime 1.23 and newer, 20 since 1.18; that operator was timed on
no GPU.
"""


@dataclass(frozen=True)
class OnnxBackend:
    """ONNX for ONNX Runtime.

    Attributes:
        external_above: bytes of weights from which they go to a file of their own, `NAME.onnx.data`: one
            protobuf message cannot hold 2 GiB.
        numerics: what artifacts compute in, and on what they are loaded.
        rewrites: whether files are made fast by lossless rewrites; without these they are what an export by
            operators gives.
    """

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    side_suffixes: ClassVar[tuple[str, ...]] = (".data",)

    external_above: int = 2**31 - SLACK
    numerics: Numerics = field(default_factory=Numerics)
    rewrites: bool = True

    @property
    def runtime(self) -> str:
        """ONNX Runtime and its version; type and device, where they are not the usual ones."""
        usual = Numerics()
        pairs = ((self.numerics.dtype, usual.dtype), (self.numerics.device, usual.device))
        more = [name for name, plain in pairs if name != plain]
        more += [f"opset {self.opset}"] * (self.numerics.opset is not None)
        return ", ".join([f"onnxruntime {ort.__version__}", *more])

    @property
    def opset(self) -> int:
        """Version of ONNX's operators in files."""
        return self.numerics.opset or OPSETS[self.numerics.device]

    @property
    def int8_steps(self) -> int:
        """Steps of weights in int8 either side of zero on this machine (`cost.numerics.Numerical`)."""
        return NARROW_STEPS if saturates() else INT8_STEPS

    def at(self, numerics: Numerics) -> OnnxBackend:
        """The same backend for other numerics.

        Raises:
            InputError: ONNX Runtime cannot compute so here.
        """
        check(numerics)
        return replace(self, numerics=numerics)

    def literal(self) -> OnnxBackend:
        """The same backend without lossless rewrites."""
        return replace(self, rewrites=False)

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
                if self.numerics.dtype == PLAIN:
                    ir.save(model, part, external_data=self._beside(path, size))
                else:
                    self._save_reduced(model, program, part)
                _check(part)

    def _pack(self, model: ir.Model, program: Program) -> None:
        """Make one of products that meet again and are rounded alike: where tokens come singly, their starts count."""
        grids = rounded(program, self.numerics.fine) if self.numerics.dtype in ROUNDED else {}
        pack_products(model, lambda name: grids.get(stored_as(name)))

    def _save_reduced(self, model: ir.Model, program: Program, part: Path) -> None:
        """Write `model`, which is `program` in float32, to `part` in another type."""
        dtype = self.numerics.dtype
        with tempfile.TemporaryDirectory(dir=part.parent.parent) as folder:
            plain = Path(folder) / part.name
            ir.save(model, plain, external_data=f"{part.name}.plain")
            reduced = quantise(plain, program, dtype, self.numerics.fine) if dtype in ROUNDED else halved(plain)
            size = sum(len(item.raw_data) for item in reduced.graph.initializer)
            data = self._beside(part, size)
            onnx.save(reduced, part, save_as_external_data=data is not None, location=data)

    def _beside(self, path: Path, size: int) -> str | None:
        """The name of the file that `size` bytes of weights go to; None where they fit into `path` itself."""
        return path.name + self.side_suffixes[0] if size > self.external_above else None

    def load(self, path: Path, workload: Workload) -> OnnxRunner:
        """Load `path` with the workload's number of threads; raises InputError when it cannot be."""
        return OnnxRunner.open(path, workload, self.numerics.device)

    def _model(self, program: Program) -> ir.Model:
        try:
            model = translate(program, self.opset, self.rewrites)
            optimise(model)
            if self.rewrites and program.caches:
                self._pack(model, program)
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
