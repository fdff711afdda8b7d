"""What may be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunec import __version__
from prunec.cost.artifact import check_file, check_version
from prunec.errors import InputError


def test_a_folder_and_nothing_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_file(tmp_path, "an ONNX file")
    with pytest.raises(InputError, match="does not exist"):
        check_file(tmp_path / "none.onnx", "an ONNX file")
    (tmp_path / "a.onnx").touch()
    check_file(tmp_path / "a.onnx", "an ONNX file")


@pytest.mark.parametrize("version", [__version__, "0.0.9", "0.0.10"])
def test_what_this_or_an_older_prunec_wrote_is_taken(version: str) -> None:
    check_version(Path("a.onnx"), version)


@pytest.mark.parametrize(
    ("version", "message"), [("99.1", r"written by prunec 99\.1"), ("nonsense", "names no version of prunec")]
)
def test_what_a_newer_prunec_wrote_is_refused(version: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_version(Path("a.onnx"), version)
