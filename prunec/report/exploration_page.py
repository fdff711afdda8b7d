"""An exploration as one page in the terminal, and as one line."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report.exploration import Exploration, Stop
from prunec.report.units import count, factor, milliseconds, plural, share

WIDEST = 120
MOST_ROWS = 13


def print_exploration(found: Exploration, console: Console) -> None:
    """Print the page: some of the budgets, the largest first, and what stays under each."""
    console.width = min(console.width, WIDEST)
    console.print(Text(headline(found), "bold"), highlight=False)
    console.print()
    kinds = list(dict.fromkeys(part.kind for part in found.parts))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _head(found, kinds):
        table.add_column(name, justify="right", no_wrap=True)
    for stop in _some(found):
        table.add_row(*_row(found, stop, kinds))
    console.print(table)
    if found.objective:
        console.print(Text(f"damage: {found.objective}, summed over places.", "dim"))
    for line in found.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), line), highlight=False)


def headline(found: Exploration) -> str:
    """One sentence: how many budgets, from where to where, by what."""
    form = milliseconds if found.unit == "ms" else count
    noun = "" if found.unit == "ms" else " parameters"
    least, most = form(found.stops[0].budget), form(found.dense)
    return f"{len(found.stops)} budgets from {least} to {most}{noun}, by {found.search} along {found.found_by}"


def _head(found: Exploration, kinds: list[str]) -> list[str]:
    time = ["budget", "as fast"] if found.unit == "ms" else []
    return [*time, "parameters", *(["damage"] if found.objective else []), *map(plural, kinds), "sublayers whole"]


def _row(found: Exploration, stop: Stop, kinds: list[str]) -> list[str]:
    cells = []
    if stop.latency_ms is not None:
        cells += [milliseconds(stop.budget), factor(found.dense / stop.latency_ms)]
    cells.append(count(stop.parameters))
    if found.objective:
        cells.append(f"{stop.damage:.3g}" if stop.damage is not None else "")
    for kind in kinds:
        alike = [place for place, part in enumerate(found.parts) if part.kind == kind]
        cells.append(share(sum(stop.kept[place] for place in alike), sum(found.parts[place].units for place in alike)))
    return [*cells, str(len(stop.bypassed)) if stop.bypassed else ""]


def _some(found: Exploration) -> list[Stop]:
    """At most `MOST_ROWS` of the stops, evenly spread, the dense model first."""
    step = -(-len(found.stops) // MOST_ROWS)
    return list(found.stops[::-1][::step])
