"""`prunec ken --keep 0.1,0.25` writes a file each, the same as one by one, and one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import prunec
from prunec import cli
from prunec.errors import InputError


def test_each_share_gets_the_file_that_it_would_get_alone(tuned: Path, base: Path, tmp_path: Path) -> None:
    found = prunec.ken(tuned, base, tmp_path / "task.ken.safetensors", keep=[0.5, 0.1])
    assert isinstance(found, tuple)
    names = [Path(report.artifact).name for report in found]
    assert names == ["task.ken-0.5.safetensors", "task.ken-0.1.safetensors"]
    for report in found:
        alone = tmp_path / "alone.safetensors"
        prunec.ken(tuned, base, alone, keep=report.keep, force=True)
        wanted, written = load_file(alone), load_file(report.artifact)
        assert written.keys() == wanted.keys()
        assert all(written[name].equal(tensor) for name, tensor in wanted.items())


def test_numbers_of_entries_are_swept_too(tuned: Path, base: Path, tmp_path: Path) -> None:
    found = prunec.ken(tuned, base, tmp_path / "a.safetensors", rows=(3, 16))
    assert isinstance(found, tuple)
    assert [(report.keep, report.rows, Path(report.artifact).name) for report in found] == [
        (None, 3, "a-3rows.safetensors"),
        (None, 16, "a-16rows.safetensors"),
    ]


def test_nothing_is_written_where_one_file_is_there_already(tuned: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "a-0.5.safetensors").touch()
    with pytest.raises(InputError, match=r"a-0\.5\.safetensors exists already"):
        prunec.ken(tuned, base, tmp_path / "a.safetensors", keep=[0.1, 0.5])
    assert not (tmp_path / "a-0.1.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.5, "rows": 3}, "keep and rows both say how many"),
        ({"keep": [0.5], "rows": 3}, "keep and rows both say how many"),
        ({"keep": [0.5], "rows": [3]}, "keep and rows both say how many"),
        ({"keep": []}, "an empty list is given as keep"),
        ({"keep": [0.5, 0.5]}, "keep 0.5 is given twice"),
        ({"keep": [0.1, 1.5]}, "keep 1.5 is not a share"),
    ],
)
def test_shares_that_say_nothing_are_refused_before_any_work(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        prunec.ken(tmp_path / "none", tmp_path / "none", tmp_path / "a.safetensors", **options)


@pytest.mark.usefixtures("settled")
def test_the_command_prints_one_table(
    tuned: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ken", str(tuned), "--base", str(base), "-o", str(tmp_path / "a.safetensors")]
    assert cli.main([*words, "--keep", "0.1,0.5"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("of the weights") == 1
    for share in (0.1, 0.5):
        assert str(tmp_path / f"a-{share}.safetensors") in printed
    assert cli.main([*words, "--keep-rows", "3,16", "--json"]) == 0
    assert [report["rows"] for report in json.loads(capsys.readouterr().out)] == [3, 16]
    assert cli.main([*words, "--keep", "0.1,much"]) == 2
    assert "--keep 0.1,much cannot be read" in capsys.readouterr().err
