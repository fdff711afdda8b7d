"""The torch.export backend: programs to `.pt2` files that `torch.export.load` runs without any model code."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch.export import Dim, ExportedProgram

from prunec.cost.artifact import check_file
from prunec.cost.workload import Workload
from prunec.errors import InputError, VerificationError
from prunec.files import atomic_path
from prunec.ir.program import Program

from .quiet import quiet
from .torchfile import DESCRIPTION, TorchRunner, description, first_line


@dataclass(frozen=True)
class TorchExportBackend:
    """Exported programs for PyTorch."""

    name: ClassVar[str] = "torch-export"
    suffixes: ClassVar[tuple[str, ...]] = (".pt2",)
    side_suffixes: ClassVar[tuple[str, ...]] = ()

    @property
    def runtime(self) -> str:
        """PyTorch and its version, and that its exported programs are run."""
        return f"torch {torch.__version__}, exported"

    def emit(self, program: Program, path: Path) -> None:
        """Write `path`, whole or not at all.

        The loaded module takes the inputs in order and returns a tuple of the outputs.

        Raises:
            VerificationError: the program cannot be exported.
            InputError: the file cannot be written.
        """
        archive = io.BytesIO()
        try:
            with quiet():
                torch.export.save(exported(program), archive, extra_files={DESCRIPTION: description(program)})
        except Exception as error:  # torch.export raises what the operators raise, and much of its own
            raise VerificationError(f"the program cannot be exported by torch.export ({first_line(error)})") from error
        with atomic_path(path, bytes_needed=archive.getbuffer().nbytes) as part:
            part.write_bytes(archive.getbuffer())

    def load(self, path: Path, workload: Workload) -> TorchRunner:
        """Load `path` with the workload's number of threads.

        Raises:
            InputError: there is no such file, or prunec did not write it, or a newer one did.
        """
        check_file(path, "a torch.export file")
        extra = {DESCRIPTION: ""}
        try:
            with quiet():
                module = torch.export.load(path, extra_files=extra).module()
            return TorchRunner.of(path, module, extra[DESCRIPTION], workload.threads)
        except InputError:
            raise
        except Exception as error:  # whatever a damaged archive makes torch raise
            raise InputError(
                f"{path} is not a torch.export file of prunec's ({first_line(error)})", "emit it again"
            ) from error


def exported(program: Program) -> ExportedProgram:
    """`program` as torch exports it, its axes dynamic where they are."""
    shapes = tuple(dict.fromkeys(item.axes, Dim.DYNAMIC) for item in program.inputs)
    # How an example lies in memory becomes a condition on every input.
    inputs = tuple(program.example[item.name].contiguous() for item in program.inputs)
    with torch.no_grad():
        return torch.export.export(program.module, inputs, dynamic_shapes=shapes)
