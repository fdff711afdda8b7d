"""The report of a compile, from where the compile left it."""

from __future__ import annotations

from pathlib import Path

from prunec.destination import REPORT
from prunec.errors import InputError
from prunec.report.data import Report


def report_file(place: Path) -> Path:
    """The file of the report: `place`, or `report.json` in it where it is a folder."""
    return place / REPORT if place.is_dir() else place


def read_report(path: Path) -> Report:
    """The report in the file at `path`.

    Raises:
        InputError: there is none, it has another schema, or parts of it are missing; the line names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the report {path} cannot be read ({error})", "give a *.report.json of a compile") from error
    try:
        return Report.from_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error.what}", error.fix) from error
