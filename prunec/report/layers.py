"""What is left of every layer, as a picture: a table of bars for few layers, strips of bars for many."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from prunec.report.data import Layer
from prunec.report.units import plural

MOST_ROWS = 16
"""With more layers than this, strips: one character a layer."""
STRIP = 32
BAR = 8
LEVELS = "▁▂▃▄▅▆▇█"
DROPPED = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Place:
    """Where a layer stands: the stack it is in (empty where there is one only) and its index there."""

    stack: str
    index: int

    @property
    def label(self) -> str:
        """As a reader sees it: `3`, `encoder 3`, or the stack alone."""
        return f"{self.stack} {self.index}".strip() if self.index >= 0 else self.stack


Column = tuple[str, str, int]
"""Kind of sublayer, kind of unit, and which one it is within its layer."""


def picture(layers: Sequence[Layer]) -> RenderableType:
    """All of `layers` in some twenty lines at most; every line fits in 80 columns."""
    cells = arrange(layers)
    stacks = list(dict.fromkeys(place.stack for place, _ in cells))
    rows = sorted({place for place, _ in cells}, key=lambda place: (stacks.index(place.stack), place.index))
    columns = list(dict.fromkeys(column for _, column in cells))
    if len(rows) > MOST_ROWS:
        return _strips(cells, rows, columns)
    return _bars(cells, rows, columns)


def _bars(cells: Mapping[tuple[Place, Column], Layer], places: list[Place], columns: list[Column]) -> Table:
    """One line a layer: a bar and the numbers for each of its sublayers."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", overflow="ellipsis", no_wrap=True, max_width=18)
    for _ in columns:
        table.add_column(no_wrap=True)
    table.add_row(Text("layer", "dim"), *(Text(title(column), "dim") for column in columns))
    for place in places:
        row = [cells.get((place, column)) for column in columns]
        table.add_row(place.label, *(_cell(layer) if layer else Text() for layer in row))
    return table


def _cell(layer: Layer) -> Text:
    if layer.dropped:
        return Text(f"{DROPPED * BAR} dropped", "red")
    full = round(BAR * layer.slim_units / layer.dense_units) if layer.dense_units else BAR
    text = Text("█" * full, "cyan").append("░" * (BAR - full), "dim cyan")
    numbers = f"{layer.dense_units}→{layer.slim_units}" if layer.slim_units < layer.dense_units else "all"
    return text.append(f" {numbers}", "" if numbers != "all" else "dim")


def _strips(cells: Mapping[tuple[Place, Column], Layer], places: list[Place], columns: list[Column]) -> Group:
    """One strip for each stack and kind of sublayer: the height of a character is the share kept."""
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    stacks: dict[str, list[Place]] = {}
    for place in places:
        stacks.setdefault(place.stack, []).append(place)
    for stack, members in stacks.items():
        for start in range(0, len(members), STRIP):
            chunk = members[start : start + STRIP]
            table.add_row(Text(stack or "layer", "dim"), Text(_ruler(chunk), "dim"))
            for column in columns:
                row = [cells.get((place, column)) for place in chunk]
                if any(row):
                    whole = [cells[place, column] for place in members if (place, column) in cells]
                    table.add_row(title(column), _strip(row), _total(whole) if start == 0 else "")
    legend = Text(f"{LEVELS[-1]} all kept  {LEVELS[3]} about half  {DROPPED} dropped whole", "dim")
    return Group(table, legend)


def _strip(row: Iterable[Layer | None]) -> Text:
    text = Text()
    for layer in row:
        if layer is None:
            text.append(" ")
        elif layer.dropped:
            text.append(DROPPED, "red")
        elif layer.slim_units >= layer.dense_units:
            text.append(LEVELS[-1], "dim cyan")
        else:
            text.append(LEVELS[min(6, 7 * layer.slim_units // layer.dense_units)], "cyan")
    return text


def _ruler(places: Sequence[Place]) -> str:
    """The index of every fifth layer, above it."""
    text = ""
    for position in range(0, len(places), 5):
        text = text.ljust(position) + str(places[position].index)
    return text


def _total(layers: Sequence[Layer]) -> str:
    dropped = sum(layer.dropped for layer in layers)
    dense = sum(layer.dense_units for layer in layers)
    if not dense:
        return f"{len(layers) - dropped} of {len(layers)} sublayers"
    kept = sum(layer.slim_units for layer in layers)
    return f"{kept:,} of {dense:,}" + (f", {dropped} dropped" if dropped else "")


def title(column: Column) -> str:
    """`ffn, neurons`: the kind of sublayer, with a number from its second in a layer on, and of its units."""
    kind, unit, ordinal = column
    name = f"{kind} {ordinal + 1}" if ordinal else kind
    return ", ".join(part for part in (name, plural(unit) if unit else "") if part)


def places(names: Sequence[str]) -> list[Place]:
    """Where the layer of each name stands, read off the first number in it; a name without one stands alone, at -1."""
    found = [re.match(r"(.*?)(?<![^.])(\d+)(?![^.])", name) for name in names]
    stacks = _short_names(list(dict.fromkeys(match[1] for match in found if match)))
    return [
        Place(stacks[match[1]], int(match[2])) if match else Place(name, -1)
        for name, match in zip(names, found, strict=True)
    ]


def arrange(layers: Sequence[Layer]) -> dict[tuple[Place, Column], Layer]:
    """Each layer by its place and column."""
    cells: dict[tuple[Place, Column], Layer] = {}
    seen: Counter[tuple[Place, str, str]] = Counter()
    for layer, place in zip(layers, places([layer.sublayer or layer.family for layer in layers]), strict=True):
        ordinal = seen[place, layer.kind, layer.unit]
        seen[place, layer.kind, layer.unit] += 1
        cells[place, (layer.kind, layer.unit, ordinal)] = layer
    return cells


def _short_names(stems: list[str]) -> dict[str, str]:
    """Per stem such as `encoder.block.` the first part that tells it from the others; empty for a lone one."""
    if len(stems) < 2:
        return dict.fromkeys(stems, "")
    parts = [stem.strip(".").split(".") for stem in stems]
    depth = next((d for d in range(min(map(len, parts))) if len({part[d] for part in parts}) == len(parts)), None)
    return {
        stem: part[depth] if depth is not None else stem.strip(".") for stem, part in zip(stems, parts, strict=True)
    }
