"""Dumps: which files are written around a pass, and what happens where none can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.pipeline.dump import Dump


def test_programs_are_written_under_the_number_and_name_of_the_pass(program: Program, tmp_path: Path) -> None:
    dump = Dump(tmp_path / "deep" / "dump")
    dump.after("measure", program)
    dump.before("drop", program)
    dump.after("drop", program)
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "deep" / "dump").iterdir()}
    assert written == dict.fromkeys(("01-measure.after.txt", "02-drop.before.txt", "02-drop.after.txt"), program.text())


def test_without_a_folder_nothing_is_written(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Dump(None).after("measure", program)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here first", encoding="utf-8")
    with pytest.raises(InputError, match=r"file: the programs cannot be written there \(File exists\)"):
        Dump(file)


def test_a_folder_that_is_lost_on_the_way_is_an_input_error(program: Program, tmp_path: Path) -> None:
    dump = Dump(tmp_path / "dump")
    (tmp_path / "dump").rmdir()
    with pytest.raises(InputError, match=r"dump: the programs cannot be written there \(No such file or directory\)"):
        dump.after("measure", program)
