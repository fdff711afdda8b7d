"""What an exploration looks like over all budgets: damage, and the share of units that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from prunec.report.exploration import Exploration, Stop
from prunec.report.page.chart import BLUE, GREEN, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.units import count, milliseconds, plural, share

HEIGHT = 280
LOOKS = ((BLUE, "solid", "circle"), (ORANGE, "dash", "square"), (GREEN, "dot", "diamond"), (VERMILION, "dashdot", "x"))
"""Colour, dash and mark of each line."""


def damage_curve(found: Exploration) -> Chart:
    """Summed damage by budget, on a logarithmic scale, which has no place for the dense model's 0."""
    damages = {stop.budget: stop.damage for stop in found.stops if stop.damage is not None}
    rows = tuple((label(found, budget), f"{damage:.3g}") for budget, damage in damages.items())
    line = _line(
        "damage",
        {budget: damage or None for budget, damage in damages.items()},
        [f"{budget}: {text}" for budget, text in rows],
        0,
    )
    summary = f"from {rows[-1][1]} at {rows[-1][0]} to {rows[0][1]} at {rows[0][0]}"
    title = f"Damage by budget, logarithmic: {found.objective}"
    return _chart(found, title, summary, [line], axis("damage", type="log"), Grid(("budget", "damage"), rows))


def kept_curve(found: Exploration) -> Chart:
    """The share of all units of each kind that stay, by budget."""
    kinds = list(dict.fromkeys(part.kind for part in found.parts))
    lines, columns = [], []
    for place, kind in enumerate(kinds):
        whole = sum(part.units for part in found.parts if part.kind == kind)
        kept = {stop.budget: _kept(found, stop, kind) for stop in found.stops}
        columns.append([share(value, whole) for value in kept.values()])
        told = [
            f"{label(found, at)}: {value:,} of {whole:,} {plural(kind)} ({share(value, whole)})"
            for at, value in kept.items()
        ]
        lines.append(_line(plural(kind), {at: value / whole for at, value in kept.items()}, told, place))
    rows = tuple((label(found, stop.budget), *cells) for stop, *cells in zip(found.stops, *columns, strict=True))
    least = ", ".join(f"{cell} of {plural(kind)}" for cell, kind in zip(rows[0][1:], kinds, strict=True))
    head = ("budget", *map(plural, kinds))
    up = axis("kept", range=[0, 1.03], tickformat=".0%")
    summary = f"at {rows[0][0]} are left {least}"
    return _chart(found, "Units kept, by budget", summary, lines, up, Grid(head, rows))


def start(found: Exploration) -> int:
    """The place of the stop that the page opens at: the middle one."""
    return len(found.stops) // 2


def label(found: Exploration, budget: float) -> str:
    """The budget in short: `12.3 ms`, or `19.6 M` of parameters."""
    return milliseconds(budget, 4) if found.unit == "ms" else count(budget, 4)


def _kept(found: Exploration, stop: Stop, kind: str) -> int:
    return sum(kept for part, kept in zip(found.parts, stop.kept, strict=True) if part.kind == kind)


def _line(name: str, values: Mapping[float, float | None], told: Sequence[str], place: int) -> go.Scatter:
    """A line through `values` by budget, with a look of its own."""
    color, dash, symbol = LOOKS[place % len(LOOKS)]
    return go.Scatter(
        x=list(values),
        y=list(values.values()),
        name=plain(name),
        mode="lines+markers",
        line={"color": color, "dash": dash},
        marker={"size": 5, "symbol": symbol},
        hovertext=list(map(plain, told)),
        hoverinfo="text",
    )


def _chart(
    found: Exploration, title: str, summary: str, lines: Sequence[go.Scatter], up: Mapping[str, object], table: Grid
) -> Chart:
    """The lines, and one that stands at the chosen budget: the first shape, which the slider moves."""
    across = axis("ms" if found.unit == "ms" else "parameters")
    drawn = figure(lines, height=HEIGHT, xaxis=across, yaxis=up, showlegend=len(lines) > 1, hovermode="closest")
    drawn.add_vline(x=found.stops[start(found)].budget, line_dash="dot", line_width=2, line_color=VERMILION)
    return Chart(title, summary, drawn.to_json(), table)
