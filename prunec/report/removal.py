"""From a report back to what was removed."""

from __future__ import annotations

from pathlib import Path

from prunec.errors import InputError
from prunec.facts import Plan, Structure
from prunec.report.data import Layer, Report
from prunec.report.reading import read_report

OTHER = "give the report of a compile of this model"


def read_removal(path: Path) -> Report:
    """The report in the file at `path`, of a compile that removed something.

    Raises:
        InputError: there is none that can be read, or it removed nothing.
    """
    report = read_report(path)
    if report.unpruned:
        raise InputError(f"the compile of {path} removed nothing", "give a report of one that did")
    return report


def plan_of(report: Report, structure: Structure) -> Plan:
    """What the compile of `report` removed from the model of `structure`.

    Raises:
        InputError: the report is of another model: a family or a sublayer is missing, or a family has other units.
    """
    layers = {layer.family: layer for layer in report.layers if layer.family}
    families = {family.name: family for family in structure.families}
    for name in {**families, **layers}:
        if name not in layers or name not in families:
            where = "the report" if name not in layers else "the model"
            raise InputError(f"{where} has no units called {name}", OTHER)
        layer, family = layers[name], families[name]
        if (layer.unit, layer.dense_units) != (family.kind, family.units):
            held, found = f"{layer.dense_units} units ({layer.unit})", f"{family.units} ({family.kind})"
            raise InputError(f"{name} has {held} in the report and {found} in the model", OTHER)
        _check_indices(layer)
    sublayers = {item.name for item in structure.sublayers}
    unknown = next((name for name in report.bypassed if name not in sublayers), None)
    if unknown is not None:
        raise InputError(f"the model has no sublayer called {unknown}", OTHER)
    return Plan({name: layer.removed for name, layer in layers.items() if layer.removed}, report.bypassed)


def _check_indices(layer: Layer) -> None:
    indices = layer.removed
    fits = list(indices) == sorted(set(indices)) and all(0 <= index < layer.dense_units for index in indices)
    if not fits or not (layer.dropped or len(indices) == layer.dense_units - layer.slim_units):
        raise InputError(f"the removed units of {layer.family} do not fit the report's own counts", OTHER)
