"""Vocabularies: rows of a table that inputs look up, with the columns of outputs that stand for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from torch import fx

from prunec.facts import Family, Pin
from prunec.ir.labels.ledger import Numbered
from prunec.ir.lookups import computed_from, origin, readers
from prunec.ir.nodes import read
from prunec.ir.text import operator_name

from .groups import Groups
from .pinned import reason
from .placing import families_of

Tables = dict[str, list[Numbered]]
"""The look-ups of each table, by its name."""


def find_vocabularies(groups: Groups) -> tuple[list[Family], list[Pin]]:
    """The rows of every table that inputs look up, and a pin for each table whose rows stay.

    An output with as many columns as the largest table has rows is taken to speak of the same things, tied or not: the
    program then has one numbering inside and out.
    """
    tables, firm = _tables(groups), groups.flow.ledger.firm
    roads = {name: next(_other_roads(tables, own), "") for name, own in tables.items()}
    straight = {name: own for name, own in tables.items() if not roads[name] and origin(read(own[0].node, 1))}
    group = _joined(groups, straight)
    wanted = groups.removable(group, pins=firm)
    families: list[Family] = []
    pins = [Pin(f"{name}, axis 0", why) for name, why in roads.items() if why]
    for name, own in straight.items():
        rows = np.zeros_like(wanted)
        rows[group[own[0].labels]] = True
        found = families_of(groups, group, wanted & rows, f"{name.removesuffix('.weight')}.vocabulary", "vocabulary")
        families.extend(found)
        if not found:
            pins.append(Pin(f"{name}, axis 0", reason(groups, group, np.flatnonzero(rows), firm)))
    return families, pins


def _tables(groups: Groups) -> Tables:
    """The look-ups in each table, by the name that the first of them knows it by."""
    by_rows: dict[int, list[Numbered]] = {}
    for item in groups.flow.ledger.looked_up:
        by_rows.setdefault(int(item.labels[0]), []).append(item)
    return {_name(read(own[0].node, 0)): own for own in by_rows.values()}


def _name(table: fx.Node) -> str:
    return str(table.target) if table.op == "get_attr" else table.name


def _other_roads(tables: Tables, own: list[Numbered]) -> Iterator[str]:
    """What numbers the rows of a table otherwise than by a look-up in it."""
    for item in own:
        positions = read(item.node, 1)
        source = origin(positions)
        computed = computed_from(positions)
        if source is not None:
            yield from _other_readers(tables, own, source)
        elif computed is not None:
            yield f"{item.node.name} looks up what {_told(positions)} computes from {computed.name}"
        elif any(origin(read(other.node, 1)) for other in own):
            yield f"{item.node.name} looks up what {_told(positions)} computes"


def _other_readers(tables: Tables, own: list[Numbered], source: fx.Node) -> Iterator[str]:
    lookups = {item.node for item in own}
    elsewhere = {item.node: name for name, items in tables.items() for item in items}
    for reader in readers(source):
        if reader in elsewhere and reader not in lookups:
            yield f"{source.name}, which looks it up, also looks up {elsewhere[reader]}"
        elif reader not in lookups:
            yield f"{source.name}, which looks it up, is also read by {_told(reader)}"


def _told(node: fx.Node) -> str:
    return f"{node.name} ({operator_name(node)})" if node.op == "call_function" else f"the {node.op}"


def _joined(groups: Groups, tables: Tables) -> np.ndarray:
    """Group id of each label, by feature, with a table's rows and the columns of outputs that stand for them."""
    free = groups.removable(groups.feature, pins=groups.flow.ledger.firm)
    links = [
        np.stack([rows, item.labels], axis=1)
        for item in groups.flow.ledger.returned
        for rows in _largest(tables.values())
        if len(rows) == len(item.labels)
        if free[groups.feature[item.labels]].all()
    ]
    return groups.linked(links)


def _largest(tables: Iterable[list[Numbered]]) -> list[np.ndarray]:
    """The rows of the largest table; nothing where several are as large."""
    rows = [own[0].labels for own in tables]
    largest = [own for own in rows if len(own) == max(map(len, rows))]
    return largest if len(largest) == 1 else []
