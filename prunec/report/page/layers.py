"""What is left of the network, layer by layer, as bars, and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prunec.report.data import Layer, Report
from prunec.report.layers import DROPPED, Place, arrange, title
from prunec.report.page.chart import BLUE, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.units import change, plural, share

HEIGHT = 250
SUBLAYER = "sublayer"
"""What is counted where a sublayer holds no units."""


def removal_sentence(report: Report) -> str:
    """What was removed: units of each kind, sublayers that went whole, and the share of the parameters."""
    if report.unpruned:
        return "Nothing was removed: the dense model holds the budget as it is."
    parts = []
    for kind in dict.fromkeys(layer.unit for layer in report.layers if layer.unit):
        alike = [layer for layer in report.layers if layer.unit == kind]
        dense, gone = sum(layer.dense_units for layer in alike), sum(map(_gone, alike))
        if gone:
            parts.append(f"{gone:,} of {dense:,} {plural(kind)} ({share(gone, dense)})")
    if count := len(report.bypassed):
        parts.append(f"{count} sublayer{'s' * (count != 1)} whole")
    model = report.model
    parameters = change(model.parameters_dense, model.parameters_slim)
    return f"Removed: {', '.join(parts)}. Parameters: {parameters}."


def layer_charts(layers: Sequence[Layer]) -> list[Chart]:
    """A chart for each kind of sublayer and unit, a bar for each layer: what is kept, what went.

    A bar counts units, so that a family of many thousands is as light as one of two.
    """
    cells = arrange(layers)
    return [
        _chart(title(column) or SUBLAYER, [(place, layer) for (place, its), layer in cells.items() if its == column])
        for column in dict.fromkeys(column for _, column in cells)
    ]


def _chart(name: str, found: Sequence[tuple[Place, Layer]]) -> Chart:
    labels = [place.label for place, _ in found]
    layers = [layer for _, layer in found]
    whole = [_gone(layer) if layer.dropped else 0 for layer in layers]
    partly = [0 if layer.dropped else _gone(layer) for layer in layers]
    kept = [_units(layer) - _gone(layer) for layer in layers]
    hover = [plain(f"layer {label}: {_told(layer)}") for label, layer in zip(labels, layers, strict=True)]
    # Bars stand at numbers, not at labels: two layers may have the same one.
    at = {"x": list(range(len(layers))), "hovertext": hover, "hoverinfo": "text"}
    traces = [go.Bar(y=kept, name="kept", marker={"color": BLUE}, **at)]
    if any(partly):
        traces.append(go.Bar(y=partly, name="removed", marker=_hatched(ORANGE, "/"), **at))
    if any(whole):
        mark = {"text": [DROPPED if gone else "" for gone in whole], "textposition": "inside", "textangle": 0}
        went = f"{DROPPED} went with its sublayer"
        traces.append(go.Bar(y=whole, name=went, marker=_hatched(VERMILION, "x"), **mark, **at))
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
    rows = tuple((label, *_row(layer)) for label, layer in zip(labels, layers, strict=True))
    return Chart(name, summary, drawn.to_json(), Grid(("layer", "dense", "slim", "removed", "share", "note"), rows))


def _hatched(color: str, shape: str) -> dict[str, object]:
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
