"""What stays of a fine-tuning, as a page: by layer, by neighbours, and a map of every matrix."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from math import comb

import plotly.graph_objects as go

from prunec.report import units
from prunec.report.ken import KenMatrix, KenReport
from prunec.report.layers import Place, places
from prunec.report.page.chart import BLUE, GREEN, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.page.drawn import drawn

TEMPLATE = "ken.html.j2"
STYLES = [
    (color, dash, symbol)
    for dash, symbols in (("solid", ("circle", "square")), ("dot", ("diamond", "x")))
    for symbol in symbols
    for color in (BLUE, ORANGE, VERMILION, GREEN)
]
Part = tuple[int, int, float, float]
"""Entries, those that stay, squared change, and that part of it which stays."""


def render_ken(report: KenReport) -> str:
    """The page of a report whose matrices are known."""
    layers = _by_layer(report.matrices)
    series = [
        _series("Share of entries that stay, by layer", layers, lambda part: part[1] / part[0]),
        _series("Share of the squared change that stays, by layer", layers, lambda part: _ratio(part[3], part[2])),
    ]
    return drawn(
        TEMPLATE,
        report=report,
        headline=headline(report),
        figures=_figures(report),
        series=[chart for chart in series if chart is not None],
        neighbours=_neighbours(report.matrices),
        matrices=_table(report.matrices),
        maps=[
            {"name": each.name, "rows": each.rows, "columns": each.columns, "cells": each.cells, "map": each.map}
            for each in report.matrices
        ],
    )


def headline(report: KenReport) -> str:
    """How much stays, and how large the file is."""
    kept = f"{report.rows} entries" if report.rows is not None else f"{report.keep:.4g} of the entries"
    sizes = f"{units.size(report.artifact_bytes)} beside {units.size(report.model_bytes)} of weights"
    return f"{kept} of each row stay, by {report.mode}: {sizes}"


def _figures(report: KenReport) -> Grid:
    change, stays = (sum(getattr(each, name) for each in report.matrices) for name in ("change", "change_kept"))
    rows = [
        ("entries in both models", f"{report.entries:,}", ""),
        ("stay as they were tuned", f"{report.stayed:,}", f"{report.share:.1%}"),
        ("of those changed by tuning", f"{report.stored:,}", f"{report.stored / max(1, report.entries):.1%}"),
        ("squared change of the matrices that stays", "", _percent(_ratio(stays, change))),
        ("entries in the tuned model alone", f"{report.whole_entries:,}", ""),
    ]
    return Grid(("", "", ""), tuple(rows))


def _by_layer(matrices: Sequence[KenMatrix]) -> dict[str, dict[Place, Part]]:
    """By what it is called within its layer, the matrices of each layer added up; those outside layers are left out."""
    found: dict[str, dict[Place, Part]] = defaultdict(dict)
    for each, place in zip(matrices, places([each.name for each in matrices]), strict=True):
        if place.index >= 0:
            role = re.sub(r"\d+", "*", each.name.partition(f".{place.index}.")[2])
            name = f"{place.stack} {role}".strip()
            before = found[name].get(place, (0, 0, 0.0, 0.0))
            more = (each.rows * each.columns, each.kept, each.change, each.change_kept)
            entries, kept, change, stays = (one + other for one, other in zip(before, more, strict=True))
            found[name][place] = (int(entries), int(kept), change, stays)
    return found


def _series(
    title: str, layers: Mapping[str, Mapping[Place, Part]], value: Callable[[Part], float | None]
) -> Chart | None:
    if not layers:
        return None
    traces = [
        go.Scatter(
            x=[place.index for place in parts],
            y=[value(part) for part in parts.values()],
            name=plain(name.removesuffix(".weight")),
            mode="lines+markers",
            line={"color": color, "dash": dash},
            marker={"symbol": symbol, "size": 9},
        )
        for (name, parts), (color, dash, symbol) in zip(layers.items(), cycle(STYLES))
    ]
    shown = figure(
        traces,
        height=420,
        xaxis=axis("layer"),
        yaxis=axis("share", tickformat=".0%", rangemode="tozero"),
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
    )
    values = [
        (place, [value(parts[place]) if place in parts else None for parts in layers.values()])
        for place in dict.fromkeys(place for parts in layers.values() for place in parts)
    ]
    rows = tuple((place.label, *map(_percent, cells)) for place, cells in values)
    known = [cell for _, cells in values for cell in cells if cell is not None]
    spread = f"from {_percent(min(known))} to {_percent(max(known))}" if known else "nothing was changed"
    return Chart(title, spread, shown.to_json(), Grid(("layer", *layers), rows))


def _neighbours(matrices: Sequence[KenMatrix]) -> Chart:
    kept = max(1, sum(each.kept for each in matrices))
    found = [sum(each.neighbours[count] for each in matrices) / kept for count in range(5)]
    chance = [sum(each.kept * _binomial(count, each) for each in matrices) / kept for count in range(5)]
    counts = list(range(5))
    traces = [
        go.Bar(x=counts, y=found, name="as chosen", marker={"color": BLUE}),
        go.Bar(
            x=counts,
            y=chance,
            name="as many at random",
            marker={
                "color": ORANGE,
                "pattern": {"shape": "/", "fillmode": "overlay", "fgcolor": "#000", "fgopacity": 0.4, "size": 6},
            },
        ),
    ]
    shown = figure(
        traces,
        height=320,
        barmode="group",
        xaxis=axis("neighbours of an entry that stays, which stay too", tickvals=counts),
        yaxis=axis("share of the entries", tickformat=".0%"),
    )
    rows = tuple((str(count), _percent(found[count]), _percent(chance[count])) for count in counts)
    mean = sum(count * share for count, share in enumerate(found))
    summary = f"{mean:.2f} of four neighbours at the mean"
    return Chart(
        "Do entries stay in heaps?", summary, shown.to_json(), Grid(("neighbours", "as chosen", "at random"), rows)
    )


def _binomial(count: int, matrix: KenMatrix) -> float:
    """The chance of `count` of four neighbours, were entries kept each by itself; borders are passed over."""
    share = matrix.kept / (matrix.rows * matrix.columns)
    return float(comb(4, count) * share**count * (1 - share) ** (4 - count))


def _table(matrices: Sequence[KenMatrix]) -> Grid:
    head = ("matrix", "size", "stay", "share", "of the squared change", "neighbours of four")
    return Grid(head, tuple(map(_row, matrices)))


def _row(each: KenMatrix) -> tuple[str, ...]:
    near = sum(count * entries for count, entries in enumerate(each.neighbours)) / max(1, each.kept)
    share = each.kept / (each.rows * each.columns)
    size = f"{each.rows:,} by {each.columns:,}"
    return (
        each.name,
        size,
        f"{each.kept:,}",
        _percent(share),
        _percent(_ratio(each.change_kept, each.change)),
        f"{near:.2f}",
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
