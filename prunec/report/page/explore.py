"""An exploration to HTML: a slider over budgets, and what goes, what it costs and what to type at each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from prunec.report.data import Layer
from prunec.report.exploration import Exploration, Stop
from prunec.report.layers import DROPPED
from prunec.report.page.chart import Chart, Grid
from prunec.report.page.curves import damage_curve, kept_curve, label, start
from prunec.report.page.drawn import drawn
from prunec.report.page.layers import by_column, gone_parts, layer_charts
from prunec.report.units import change, count, factor, milliseconds, plural

TEMPLATE = "explore.html.j2"
OF_THE_FILE = (
    "Damage is the sum of what each removal costs alone, on calibration text, with what is left re-fitted. What a "
    "compile measures differs: removals add up only roughly, and its own repair comes after."
)
OF_A_PATH = "A solution path orders all units by when each enters. It measures no damage: a compile tells the loss."
OF_SCORES = "The file holds scores and no measured damage: a compile tells the loss."


@dataclass(frozen=True)
class View:
    """What the template shows.

    Attributes:
        start: the place of the stop that the page opens at.
        figures: of each stop, what stands beside the dense model: rows of cells.
        told: of each stop, what goes, in a sentence.
        curves, layers: charts.
        table: of all stops.
        script: what the slider needs, as JSON: see `_script`.
        facts: where the numbers are from; `note` says what damage is.
    """

    found: Exploration
    start: int
    figures: Grid
    told: str
    curves: list[Chart]
    layers: list[Chart]
    table: Grid
    script: str
    facts: Grid
    note: str


def render_exploration(found: Exploration) -> str:
    """The page of an exploration."""
    here = found.stops[start(found)]
    layers = _layers(found, here)
    view = View(
        found,
        start(found),
        _figures(found, here),
        told(found, here),
        [*([damage_curve(found)] if found.objective else []), kept_curve(found)],
        layer_charts(layers, every=True),
        table(found),
        json.dumps(_script(found, layers), ensure_ascii=False),
        _facts(found),
        _note(found),
    )
    return drawn(TEMPLATE, view=view)


def budget_text(found: Exploration, stop: Stop) -> str:
    """`19.6 M parameters` or `12.3 ms`, rounded up so that it is within what is asked."""
    return label(found, stop.budget) if found.unit == "ms" else f"{label(found, stop.budget)} parameters"


def told(found: Exploration, stop: Stop) -> str:
    """What goes: units of each kind and sublayers."""
    parts = gone_parts(_layers(found, stop), stop.bypassed)
    return f"{', '.join(parts)}." if parts else "Nothing goes."


def table(found: Exploration) -> Grid:
    """A row for each budget, the largest first."""
    head = ["budget", "parameters left", *(["predicted", "as fast"] if found.unit == "ms" else [])]
    head += [*(["damage"] if found.objective else []), "what goes", "command"]
    rows = []
    for stop in reversed(found.stops):
        cells = [budget_text(found, stop), count(stop.parameters)]
        if stop.latency_ms is not None:
            cells += [milliseconds(stop.latency_ms), factor(found.dense / stop.latency_ms)]
        if found.objective:
            cells.append(_damage(stop))
        rows.append((*cells, told(found, stop), stop.command))
    return Grid(tuple(head), tuple(rows))


def _figures(found: Exploration, stop: Stop) -> Grid:
    """Beside the dense model, which is the last stop; the same rows for every stop."""
    dense = found.stops[-1]
    rows = []
    if stop.latency_ms is not None and dense.latency_ms is not None:
        faster = f"{factor(dense.latency_ms / stop.latency_ms)} as fast"
        rows.append(("latency, predicted", milliseconds(dense.latency_ms), milliseconds(stop.latency_ms), faster, ""))
    size = change(dense.parameters, stop.parameters)
    rows.append(("parameters", count(dense.parameters), count(stop.parameters), size, ""))
    if found.objective:
        rows.append(("damage, summed", "0", _damage(stop), "", found.objective))
    return Grid(("", "dense", "slim", "change", ""), tuple(rows))


def _damage(stop: Stop) -> str:
    return f"{stop.damage:.3g}" if stop.damage is not None else ""


def _layers(found: Exploration, stop: Stop) -> list[Layer]:
    """A stop as a report has layers; no unit of it is named."""
    return [
        Layer(part.sublayer, part.sublayer_kind, part.name, part.kind, part.units, kept, kept == 0)
        for part, kept in zip(found.parts, stop.kept, strict=True)
    ]


def _script(found: Exploration, layers: Sequence[Layer]) -> dict[str, object]:
    """What changes with the budget.

    `parts`: for each family the place of its chart and of its bar there, and how it is called; `stops`: for each budget
    its texts, units kept in the order of the parts, and where it stands on the curves.
    """
    places = {
        layer.family: (chart, bar, place.label)
        for chart, members in enumerate(by_column(layers).values())
        for bar, (place, layer) in enumerate(members)
    }
    parts = []
    for part in found.parts:
        chart, bar, label = places[part.name]
        note = f"{part.sublayer_kind or 'the'} sublayer goes whole"
        parts.append([chart, bar, f"layer {label}", part.units, plural(part.kind), note])
    stops = [
        {
            "budget": budget_text(found, stop),
            "at": stop.budget,
            "figures": _figures(found, stop).rows,
            "told": told(found, stop),
            "command": stop.command,
            "kept": stop.kept,
        }
        for stop in found.stops
    ]
    return {"parts": parts, "stops": stops, "dropped": DROPPED}


def _facts(found: Exploration) -> Grid:
    least = found.stops[0]
    rows = [
        ("path file", found.file),
        ("model", found.source),
        ("found by", found.found_by),
        ("search", found.search),
        *([("hash of the text", found.text_hash)] if found.text_hash else []),
        (
            "floor",
            f"{milliseconds(found.floor) if found.unit == 'ms' else count(ceil(found.floor))}, what no plan removes",
        ),
        ("least budget", budget_text(found, least)),
        *([("workload", found.workload)] if found.workload else []),
        *([("machine", f"{found.machine.cpu}, {found.machine.threads} threads")] if found.machine else []),
        ("explored by", f"prunec {found.prunec}"),
    ]
    return Grid(("", ""), tuple(rows))


def _note(found: Exploration) -> str:
    if found.objective:
        return OF_THE_FILE
    return OF_A_PATH if found.search == "path" else OF_SCORES
