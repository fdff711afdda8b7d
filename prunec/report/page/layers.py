"""What is left of the network, layer by layer, as bars, and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prunec.report.data import Layer, Report
from prunec.report.layers import DROPPED, Column, Place, arrange, title
from prunec.report.page.chart import BLUE, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.page.details import details, hovered
from prunec.report.units import change, plural, share

HEIGHT = 250
HEAD = ("layer", "dense", "slim", "removed", "share", "note")
SUBLAYER = "sublayer"
"""What is counted where a sublayer holds no units."""


def removal_sentence(report: Report) -> str:
    """What was removed: units of each kind, sublayers that went whole, and the share of the parameters."""
    if report.unpruned:
        return "Nothing was removed: the dense model holds the budget as it is."
    model = report.model
    parameters = change(model.parameters_dense, model.parameters_slim)
    return f"Removed: {', '.join(gone_parts(report.layers, report.bypassed))}. Parameters: {parameters}."


def gone_parts(layers: Sequence[Layer], bypassed: Sequence[str]) -> list[str]:
    """What went, in words: units of each kind of which any did, and sublayers."""
    parts = []
    for kind in dict.fromkeys(layer.unit for layer in layers if layer.unit):
        alike = [layer for layer in layers if layer.unit == kind]
        dense, gone = sum(layer.dense_units for layer in alike), sum(map(_gone, alike))
        if gone:
            parts.append(f"{gone:,} of {dense:,} {plural(kind)} ({share(gone, dense)})")
    if count := len(bypassed):
        parts.append(f"{count} sublayer{'s' * (count != 1)} whole")
    return parts


def layer_charts(layers: Sequence[Layer], dense_ms: float | None = None, *, every: bool = False) -> list[Chart]:
    """A chart for each kind of sublayer and unit, a bar for each layer: what is kept, what went.

    A bar counts units, so that a family of many thousands is as light as one of two. Latency and scores are told where
    the report knows them.

    Args:
        layers: of a report.
        dense_ms: what a request takes in the dense model by the same tables, of which layers have shares.
        every: also draw the bars of which there are none, for a page that shows other plans in the same chart.
    """
    return [_chart(title(column) or SUBLAYER, found, dense_ms, every) for column, found in by_column(layers).items()]


def by_column(layers: Sequence[Layer]) -> dict[Column, list[tuple[Place, Layer]]]:
    """The layers of each chart, in the order of their bars."""
    columns: dict[Column, list[tuple[Place, Layer]]] = {}
    for (place, column), layer in arrange(layers).items():
        columns.setdefault(column, []).append((place, layer))
    return columns


def _chart(name: str, found: Sequence[tuple[Place, Layer]], dense_ms: float | None, every: bool) -> Chart:
    labels = [place.label for place, _ in found]
    layers = [layer for _, layer in found]
    whole = [_gone(layer) if layer.dropped else 0 for layer in layers]
    partly = [0 if layer.dropped else _gone(layer) for layer in layers]
    kept = [_units(layer) - _gone(layer) for layer in layers]
    known = details(layers, dense_ms)
    hover = [hovered(f"layer {labels[place]}: {_told(layers[place])}", known, place) for place in range(len(layers))]
    # Bars stand at numbers, not at labels: two layers may have the same one.
    at = {"x": list(range(len(layers))), "hovertext": hover, "hoverinfo": "text"}
    traces = [go.Bar(y=kept, name="kept", marker={"color": BLUE}, **at)]
    if any(partly) or every:
        traces.append(go.Bar(y=partly, name="removed", marker=hatched(ORANGE, "/"), **at))
    if any(whole) or every:
        mark = {"text": [DROPPED if gone else "" for gone in whole], "textposition": "inside", "textangle": 0}
        went = f"{DROPPED} went with its sublayer"
        traces.append(go.Bar(y=whole, name=went, marker=hatched(VERMILION, "x"), **mark, **at))
    ticks = {"tickvals": at["x"], "ticktext": list(map(plain, labels))} if len(labels) <= 40 else {}
    drawn = figure(
        traces,
        height=HEIGHT,
        barmode="stack",
        bargap=0.25,
        showlegend=True,
        xaxis=axis("layer", **ticks),
        yaxis=axis(plain(name.rpartition(", ")[2])),
    )
    dense = sum(map(_units, layers))
    summary = f"{name}: {sum(kept):,} of {dense:,} kept over {len(layers)} layers"
    cells = [[column[place] for column in known.values()] for place in range(len(layers))]
    rows = tuple((label, *_row(layer), *more) for label, layer, more in zip(labels, layers, cells, strict=True))
    return Chart(name, summary, drawn.to_json(), Grid((*HEAD, *known), rows))


def hatched(color: str, shape: str) -> dict[str, object]:
    """The look of bars that are told from others by more than their colour."""
    return {
        "color": color,
        "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#000", "fgopacity": 0.4, "size": 6},
    }


def _row(layer: Layer) -> tuple[str, ...]:
    dense, gone = _units(layer), _gone(layer)
    return f"{dense:,}", f"{dense - gone:,}", f"{gone:,}", share(gone, dense), _note(layer)


def _told(layer: Layer) -> str:
    """The line that shows when one points at a bar."""
    dense, kept, gone, part, note = _row(layer)
    words = f"{kept} of {dense} {plural(layer.unit or SUBLAYER)} kept, {gone} removed ({part})"
    return f"{words}; {note}" if note else words


def _note(layer: Layer) -> str:
    if layer.dropped:
        return f"{layer.kind or 'the'} sublayer went whole".removeprefix("the ")
    return "weights re-fitted" if layer.recovered else ""


def _units(layer: Layer) -> int:
    """How many units there were; a sublayer without any counts as one."""
    return layer.dense_units or 1


def _gone(layer: Layer) -> int:
    """How many of `_units` went."""
    return int(layer.dropped) if not layer.dense_units else layer.dense_units - layer.slim_units
