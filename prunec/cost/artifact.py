"""Checks on an artifact that a backend is about to load."""

from __future__ import annotations

from pathlib import Path

from packaging.version import InvalidVersion, Version

import prunec
from prunec.errors import InputError


def check_file(path: Path, kind: str) -> None:
    """Make sure that there is a file at `path`, which should be `kind`, as in `an ONNX file`.

    Raises:
        InputError: there is nothing, or a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", f"name {kind}")
    if not path.is_file():
        raise InputError(f"{path} does not exist", f"name {kind}")


def check_version(path: Path, version: str) -> None:
    """Make sure that this prunec understands the artifact at `path`, which `version` of prunec wrote.

    Raises:
        InputError: a newer prunec wrote it, whose artifacts may mean what this one does not know.
    """
    try:
        newer = Version(version) > Version(prunec.__version__)
    except InvalidVersion as error:
        raise InputError(f"{path} names no version of prunec ('{version}')", "emit it again") from error
    if newer:
        raise InputError(
            f"{path} was written by prunec {version}, and this is {prunec.__version__}",
            "update prunec, or emit it again",
        )
