"""Reports are read from where a compile left them; what cannot be is named with its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prunec.errors import InputError
from prunec.report.reading import read_report, report_file
from tests.report.samples import report


def test_a_folder_holds_its_report(tmp_path: Path) -> None:
    report().write(tmp_path / "report.json")
    assert read_report(report_file(tmp_path)) == report()
    assert report_file(tmp_path / "slim.report.json") == tmp_path / "slim.report.json"


def test_no_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"report\.json cannot be read \(.*No such file"):
        read_report(report_file(tmp_path))


def test_another_schema_and_missing_parts_are_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "slim.report.json"
    raw = json.loads(report().to_json())
    path.write_text(json.dumps({**raw, "schema": 1}))
    with pytest.raises(InputError, match=r"slim\.report\.json: the report has schema 1, and this prunec reads 2, 3"):
        read_report(path)
    path.write_text(json.dumps({name: value for name, value in raw.items() if name not in ("layers", "loss")}))
    with pytest.raises(InputError, match=r"slim\.report\.json: .*Report lacks loss, layers"):
        read_report(path)
    path.write_text(json.dumps({**raw, "model": {"source": "x"}}))
    with pytest.raises(InputError, match=r"Report\.model lacks model_class, task"):
        read_report(path)
