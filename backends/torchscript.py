"""The TorchScript backend: programs to `.pt` files that `torch.jit.load` runs without any model code."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from prunec.cost.artifact import check_file
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.files import atomic_path
from prunec.ir.program import Program

from .quiet import quiet
from .torchfile import DESCRIPTION, TorchRunner, description, first_line
from .torchscript_source import Unwritable, script


@dataclass(frozen=True)
class TorchScriptBackend:
    """TorchScript for PyTorch."""

    name: ClassVar[str] = "torchscript"
    suffixes: ClassVar[tuple[str, ...]] = (".pt",)
    side_suffixes: ClassVar[tuple[str, ...]] = ()

    @property
    def runtime(self) -> str:
        """PyTorch and its version."""
        return f"torch {torch.__version__}"

    def emit(self, program: Program, path: Path) -> None:
        """Write `path`, whole or not at all.

        Raises:
            VerificationError: the program cannot be said in TorchScript.
            InputError: the file cannot be written.
        """
        archive = io.BytesIO()
        try:
            with quiet():
                torch.jit.save(script(program), archive, _extra_files={DESCRIPTION: description(program)})
        except (Unwritable, RuntimeError) as error:
            raise VerificationError(f"the program cannot be written as TorchScript ({first_line(error)})") from error
        with atomic_path(path, bytes_needed=archive.getbuffer().nbytes) as part:
            part.write_bytes(archive.getbuffer())

    def load(self, path: Path, workload: Workload) -> TorchRunner:
        """Load `path` with the workload's number of threads.

        Raises:
            InputError: there is no such file, or prunec did not write it, or a newer one did.
        """
        check_file(path, "a TorchScript file")
        extra = {DESCRIPTION: ""}
        try:
            with quiet():
                module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)
            return TorchRunner.of(path, module, extra[DESCRIPTION], workload.threads)
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{path} is not a TorchScript file of prunec's ({first_line(error)})", "emit it again"
            ) from error
