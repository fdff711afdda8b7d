"""What a report knows of a layer besides its width: its share of the latency, and how scores lie in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunec.report.data import Layer
from prunec.report.page.chart import plain
from prunec.report.units import share

Columns = Mapping[str, Sequence[str]]
"""A cell for each layer, by what the column is called."""


def details(layers: Sequence[Layer], dense_ms: float | None) -> Columns:
    """The columns of which something is known; `dense_ms` is what a request takes in the dense model."""
    columns = {
        "ms, dense": [_milliseconds(layer.dense_ms) for layer in layers],
        "ms, slim": [_milliseconds(layer.slim_ms) for layer in layers],
        "share of the dense latency": [_share(layer.dense_ms, dense_ms) for layer in layers],
        "scores kept": [_quartiles(layer.kept_scores) for layer in layers],
        "scores removed": [_quartiles(layer.removed_scores) for layer in layers],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def hovered(told: str, columns: Columns, place: int) -> str:
    """What shows when one points at a bar: `told`, and a line for each detail."""
    known = [f"{name}: {cells[place]}" for name, cells in columns.items() if cells[place]]
    return "<br>".join(map(plain, [told, *known]))


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _share(part: float | None, whole: float | None) -> str:
    return "" if part is None or not whole else share(part, whole)


def _quartiles(values: Sequence[float]) -> str:
    """`0.1 to 3.2, median 0.8, half within 0.5 to 1.1`."""
    if not values:
        return ""
    least, lower, median, upper, most = (f"{value:.3g}" for value in values)
    return f"{least} to {most}, median {median}, half within {lower} to {upper}"
