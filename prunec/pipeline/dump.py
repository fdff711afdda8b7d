"""Writing programs as text around each pass: `--dump-ir DIR`."""

from __future__ import annotations

from pathlib import Path

from prunec.errors import InputError
from prunec.ir.program import Program


class Dump:
    """Writes `NN-name.before.txt` and `NN-name.after.txt` into a folder, or nothing where there is none.

    Raises:
        InputError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._count = 0
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _unwritable(folder, error) from error

    def before(self, name: str, program: Program) -> None:
        """The program that the next pass, a rewriting one, is about to see."""
        self._write(f"{self._count + 1:02}-{name}.before.txt", program)

    def after(self, name: str, program: Program) -> None:
        """The program that the pass left."""
        self._count += 1
        self._write(f"{self._count:02}-{name}.after.txt", program)

    def _write(self, file: str, program: Program) -> None:
        if self._folder is None:
            return
        try:
            (self._folder / file).write_text(program.text(), encoding="utf-8")
        except OSError as error:
            raise _unwritable(self._folder, error) from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    reason = error.strerror or type(error).__name__
    return InputError(f"{folder}: the programs cannot be written there ({reason})", "name another --dump-ir folder")
