"""The report of a compile, from where the compile left it."""

from __future__ import annotations

import json
from pathlib import Path

from prunec.destination import REPORT
from prunec.errors import InputError
from prunec.report.codec import decode
from prunec.report.data import Report
from prunec.report.ken import VERSION, KenReport


def report_file(place: Path) -> Path:
    """The file of the report: `place`, or `report.json` in it where it is a folder."""
    return place / REPORT if place.is_dir() else place


def read_report(path: Path) -> Report:
    """The report in the file at `path`.

    Raises:
        InputError: there is none, it has another schema, or parts of it are missing; the line names the file.
    """
    text = _text(path)
    try:
        return Report.from_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error.what}", error.fix) from error


def read_ken(path: Path) -> KenReport | None:
    """The report on a fine-tuning in the file at `path`; None where it is a report on something else.

    Raises:
        InputError: there is none, it is of another version, or it knows no matrices.
    """
    text, again = _text(path), "make it again with prunec ken TUNED --base BASE -o FILE --report-page"
    try:
        held = json.loads(text)
        if not isinstance(held, dict) or "base_hash" not in held:
            return None
        if held.get("version") != VERSION:
            raise ValueError(f"it has version {held.get('version')}, and this prunec reads {VERSION}")
        found = decode(KenReport, text)
    except ValueError as error:
        raise InputError(f"{path} is no report that can be read: {error}", again) from error
    if not found.matrices:
        raise InputError(f"{path} does not say where entries stay", again)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the report {path} cannot be read ({error})", "give a *.report.json of a compile") from error
