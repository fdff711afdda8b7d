"""What repair gave back, sublayer by sublayer, as bars: what each missed before and after."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prunec.report.data import Layer
from prunec.report.layers import Place, arrange
from prunec.report.page.chart import BLUE, ORANGE, Chart, Grid, axis, figure, plain
from prunec.report.page.layers import hatched

HEIGHT = 230
MOST_LABELS = 40


def repair_charts(layers: Sequence[Layer]) -> list[Chart]:
    """A chart for each kind of sublayer that was repaired, a pair of bars for each of them."""
    kinds: dict[str, dict[str, tuple[Place, Layer]]] = {}
    for (place, _), layer in arrange(layers).items():
        if layer.missing:  # several families of one sublayer were repaired together
            kinds.setdefault(layer.kind, {}).setdefault(layer.sublayer, (place, layer))
    return [_chart(kind, list(found.values())) for kind, found in kinds.items()]


def _chart(kind: str, found: Sequence[tuple[Place, Layer]]) -> Chart:
    labels = [place.label for place, _ in found]
    before, after = zip(*(layer.missing for _, layer in found), strict=True)
    rows = tuple((label, f"{one:.1%}", f"{two:.1%}") for label, one, two in zip(labels, before, after, strict=True))
    told = [f"layer {label}: {one} missing before, {two} after" for label, one, two in rows]
    at = {"x": list(range(len(found))), "hovertext": list(map(plain, told)), "hoverinfo": "text"}
    traces = [
        go.Bar(y=before, name="missing before", marker=hatched(ORANGE, "/"), **at),
        go.Bar(y=after, name="missing after", marker={"color": BLUE}, **at),
    ]
    ticks = {"tickvals": at["x"], "ticktext": list(map(plain, labels))} if len(labels) <= MOST_LABELS else {}
    drawn = figure(
        traces,
        height=HEIGHT,
        barmode="group",
        showlegend=True,
        xaxis=axis("layer", **ticks),
        yaxis=axis("share", tickformat=".0%", rangemode="tozero"),
    )
    summary = "; ".join(told)
    return Chart(f"{kind}, what its output misses", summary, drawn.to_json(), Grid(("layer", "before", "after"), rows))
