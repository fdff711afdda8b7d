"""What units answer to as one page in the terminal: layers with their most selective units, tokens by their loss."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.layers import places
from prunec.report.semantics import Family, Forgotten, Semantics, Token, Unit

WIDEST = 120
SHOWN_UNITS = 3
SHOWN_TOKENS = 3


def print_semantics(found: Semantics, console: Console, top: int) -> None:
    """Print the page; with a removal, the `top` tokens that lose most and that lose least."""
    console.width = min(console.width, WIDEST)
    console.print(Text(headline(found), "bold"), highlight=False)
    console.print(Text(_about(found), "dim"), highlight=False)
    console.print()
    console.print(_layers(found))
    for line in _layers_legend(found):
        console.print(Text(line, "dim"), highlight=False)
    if found.report:
        console.print()
        console.print(_forgotten(found, top))
        for line in _forgotten_legend(found):
            console.print(Text(line, "dim"), highlight=False)
    for line in found.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), line), highlight=False)


def headline(found: Semantics) -> str:
    """One sentence: how many units answer to something; with a removal, what it forgets first."""
    whole = sum(family.units for family in found.families)
    answering = sum(len(family.answers) for family in found.families)
    text = f"{answering:,} of {whole:,} units answer to some of {len(found.tokens):,} tokens"
    if not found.report:
        return text
    first, forgotten = by_loss(found)[0]
    gone = sum(len(family.removed) for family in found.families)
    return f"{text}; without {gone:,} units {first.text!r} is forgotten first ({forgotten.lost:.0%} lost)"


def _about(found: Semantics) -> str:
    covered = f"{found.covered:.0%} of {found.text_tokens:,} tokens"
    return f"{found.text}: {covered}, those that occur {found.least} times or more; the others are not told apart"


def _layers(found: Semantics) -> Table:
    """A row for each family, in the order of the model; what units answer to is cut to the width that is left."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    table.add_column("layer", no_wrap=True)
    table.add_column("units", justify="right", no_wrap=True)
    if found.report:
        table.add_column("removed", justify="right", no_wrap=True)
        table.add_column("changed", justify="right", no_wrap=True)
    table.add_column("median", justify="right", no_wrap=True)
    table.add_column("the most selective units, and what they answer to", no_wrap=True, overflow="ellipsis", ratio=1)
    texts = {token.id: token.text for token in found.tokens}
    for family, place in zip(
        found.families, places([item.sublayer or item.name for item in found.families]), strict=True
    ):
        strongest = [unit.responses[0] for unit in family.answers]
        cells = [f"{place.stack} {place.index}".strip() if place.index >= 0 else place.stack]
        cells.append(f"{family.units:,} {family.kind.replace('_', ' ')}s")
        if found.report:
            changed = "" if family.changed is None else f"{family.changed:.0%}"
            cells += [f"{len(family.removed):,}", changed]
        cells.append(units.factor(float(np.median(strongest)), 2) if strongest else "")
        told = "  ".join(_told(unit, texts) for unit in _selective(family))
        table.add_row(*cells, Text(told))
    return table


def _selective(family: Family) -> list[Unit]:
    """The units with the strongest first response, no two with the same first token."""
    leading: dict[int, Unit] = {}
    for unit in sorted(family.answers, key=lambda unit: -unit.responses[0]):
        leading.setdefault(unit.tokens[0], unit)
    return list(leading.values())[:SHOWN_UNITS]


def _told(unit: Unit, texts: dict[int, str]) -> str:
    pairs = list(zip(unit.tokens, unit.responses, strict=True))[:SHOWN_TOKENS]
    return f"{unit.index} " + ", ".join(f"{texts[token]!r} {units.factor(share, 2)}" for token, share in pairs)


def _forgotten(found: Semantics, top: int) -> Table:
    """The tokens that lose most, then those that lose least."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "token"):
        table.add_column(heading, no_wrap=True)
    for heading in ("occurs", "lost", "with removed", "at random"):
        table.add_column(heading, justify="right", no_wrap=True)
    ordered = by_loss(found)
    count = min(top, len(ordered) // 2)
    for title, rows in (("forgotten", ordered[:count]), ("kept best", ordered[: -count - 1 : -1])):
        for number, (token, lost) in enumerate(rows):
            shares = [f"{share:.0%}" for share in (lost.lost, lost.removed, lost.random)]
            table.add_row(title if number == 0 else "", Text(repr(token.text)), f"{token.occurrences:,}", *shares)
    return table


def by_loss(found: Semantics) -> list[tuple[Token, Forgotten]]:
    """The tokens and what each loses, the most first."""
    pairs = [(token, token.forgotten) for token in found.tokens if token.forgotten is not None]
    return sorted(pairs, key=lambda pair: -pair[1].lost)


def _layers_legend(found: Semantics) -> Iterable[str]:
    if found.report:
        yield "changed: what units that stay no longer answer to, of what they answered to."
    yield "median: of each unit's strongest answer. By a unit's number: how many times as"
    yield "strong it is where a token stands as over all text; one unit for each first token."


def _forgotten_legend(found: Semantics) -> Iterable[str]:
    yield f"lost: of the response of the {found.carriers:,} units that answer most to the token, unrepaired."
    yield "with removed: what removed units had of it; at random: what as many units of"
    yield "each layer, drawn at random, would have had."
    lost, random = (np.median([getattr(item, name) for _, item in by_loss(found)]) for name in ("lost", "random"))
    yield f"The median token loses {lost:.0%}; at random {random:.0%}."
