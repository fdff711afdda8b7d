"""Scores of sublayers as a table: what would be bypassed first, and how much of that a re-fit would undo."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from prunec.facts import Scores


def print_sublayers(scores: Scores, console: Console) -> None:
    """A row for each sublayer, in the order of the model; `rank` 1 would go first."""
    ranks = {name: rank + 1 for rank, name in enumerate(sorted(scores.sublayers, key=scores.sublayers.__getitem__))}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sublayer")
    for heading in ("score", "rank", *(["undone"] if scores.undone else [])):
        table.add_column(heading, justify="right")
    for name, score in scores.sublayers.items():
        undone = [f"{scores.undone[name]:.0%}"] if scores.undone else []
        table.add_row(name, f"{score:.4g}", str(ranks[name]), *undone)
    console.print(table)
