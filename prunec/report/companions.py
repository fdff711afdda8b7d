"""What a report can be shown together with: answers of units, a comparison of texts, points of other making."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from prunec.errors import InputError
from prunec.report.codec import decode
from prunec.report.data import Layer, Report
from prunec.report.rivals import Rivals
from prunec.report.semantics import VERSION, Semantics

if TYPE_CHECKING:
    from prunec.report.sensitivity import Sensitivity

Companion: TypeAlias = "Semantics | Sensitivity | Rivals"
WHAT = "give what prunec semantics -o or prunec sensitivity -o wrote, or a list of points"


def read_companion(path: Path, reports: Mapping[str, Report]) -> Companion:
    """What is in the file at `path`, made for one of `reports`.

    Raises:
        InputError: it cannot be read, holds something else, or is of none of the reports.
    """
    try:
        text = path.read_text(encoding="utf-8")
        plain = json.loads(text)
        read = next((reader for mark, reader in _READERS.items() if mark in plain), None)
        found = read(text, plain) if read is not None else None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error})", WHAT) from error
    if found is None:
        raise InputError(f"{path} holds nothing that a report is shown with", WHAT)
    if not isinstance(found, Rivals) and not any(fits(found, report) for report in reports.values()):
        raise InputError(f"{path} is of none of the reports: of another model or removal", "give what was made for one")
    return found


def fits(found: Semantics | Sensitivity, report: Report) -> bool:
    """Whether answers are of the removal of `report`, or a comparison of its model."""
    if found.model_class != report.model.model_class:
        return False
    if not isinstance(found, Semantics):
        return found.parameters == report.model.parameters_dense
    removed = {layer.family: (layer.dense_units, _gone(layer)) for layer in report.layers}
    return bool(found.report) and all(
        removed.get(item.name) == (item.units, tuple(item.removed)) for item in found.families
    )


def _gone(layer: Layer) -> tuple[int, ...]:
    return tuple(range(layer.dense_units)) if layer.dropped else layer.removed


def _semantics(text: str, plain: Mapping[str, Any]) -> Semantics:
    _require(plain, VERSION)
    return decode(Semantics, text)


def _sensitivity(text: str, plain: Mapping[str, Any]) -> Sensitivity:
    # It names facts of the compiler, and so takes seconds to import, which a page of reports alone need not wait for.
    from prunec.report.sensitivity import VERSION as NEWEST
    from prunec.report.sensitivity import Sensitivity

    _require(plain, NEWEST)
    return decode(Sensitivity, text)


def _rivals(text: str, plain: Mapping[str, Any]) -> Rivals:
    return decode(Rivals, text)


def _require(plain: Mapping[str, Any], version: int) -> None:
    if plain.get("version") != version:
        raise ValueError(f"it has version {plain.get('version')}, and this prunec reads {version}")


_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], Companion]] = {
    "carriers": _semantics,
    "overlaps": _sensitivity,
    "points": _rivals,
}
"""By a name that only that kind of file has."""
