"""What is kept whole: the axes of weights that no family lies in, and why, so that no miss is silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from torch import fx

from prunec.facts import Family, Pin

from .groups import Groups
from .pinned import reason, summed
from .placing import by_signature
from .units import family_of

Kept = dict[str, tuple[str, ...]]
"""The tensors that are kept whole along an axis, by the reason."""


def find_kept(groups: Groups, families: Iterable[Family], streams: Iterable[fx.Node]) -> Kept:
    """The weights of products with an axis inside the graph that no family lies in.

    Left out are the features of `streams`, axes at the edge of the graph, which inputs and outputs hold, and those
    that nothing holds and nothing reads, such as the places of a kernel.
    """
    cut = {(slot.tensor, slot.dim) for family in families for slot in family.slots}
    outside = _outside(groups, streams)
    search = _Reasons(groups)
    kept: Kept = {}
    for name in _weights(groups):
        for dim, labels in enumerate(map(np.asarray, groups.flow.tensors[name])):
            if (name, dim) in cut or len(labels) < 2 or outside[labels].any():
                continue
            if why := search.reason(labels):
                kept[why] = tuple(dict.fromkeys((*kept.get(why, ()), name)))
    return kept


def find_silent(kept: Kept, pins: Iterable[Pin]) -> Iterator[Pin]:
    """A pin for each reason that keeps a tensor which none of `pins` names."""
    told = {name for pin in pins for name in pin.tensors}
    for why, names in kept.items():
        untold = tuple(name for name in names if name not in told)
        if untold:
            yield Pin(untold[0].removesuffix(".weight"), why, untold)


def _weights(groups: Groups) -> Iterator[str]:
    """The tensors that products multiply by, in graph order."""
    ledger = groups.flow.ledger
    noted = {item.weight for item in ledger.contractions}
    read = {int(labels[0]) for labels in ledger.edges if len(labels)}
    for name, axes in groups.flow.tensors.items():
        if name in noted or any(int(labels[0]) in read for labels in axes if len(labels)):
            yield name


def _outside(groups: Groups, streams: Iterable[fx.Node]) -> np.ndarray:
    """Which labels are a stream's, are known by number outside the graph, or read what cannot be cut: bool by label."""
    ledger = groups.flow.ledger
    flags = groups.carried(streams)
    for item in (*ledger.looked_up, *ledger.returned):
        flags[item.labels] = True
    for labels in ledger.edges:
        flags[labels] = True
    return np.asarray((np.bincount(groups.element, weights=flags) > 0)[groups.element])


def find_summed(groups: Groups, streams: Iterable[fx.Node]) -> Iterator[Pin]:
    """Units that a product reads and that nothing holds but a sum over them, such as a norm; streams are left out."""
    group = groups.element
    wanted = groups.removable(group, ()) & groups.split(group, groups.sums)
    wanted &= ~groups.with_any(group, groups.attended | groups.carried(streams))
    for placements in by_signature(groups, group, wanted).values():
        found = family_of(groups, group, placements)
        if isinstance(found, Family):
            why = summed(groups, group, np.array(list(placements)))
            yield Pin(f"{found.units} units of {found.name}", why, found.tensors())


class _Reasons:
    """Why labels stay, with the first pin of each group at hand."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._pins = groups.flow.ledger.pins
        self._partitions = [(group, groups.removable(group)) for group in (groups.element, groups.head)]
        self._first = [self._first_pins(group) for group, _ in self._partitions]
        self._read = groups.attended.copy()
        for item in groups.flow.ledger.contractions:
            self._read[item.labels] = True

    def _first_pins(self, group: np.ndarray) -> np.ndarray:
        """The number of the first pin of each group; one too high where it has none."""
        first = np.full(int(group.max(initial=-1)) + 1, len(self._pins))
        for index, (labels, _) in enumerate(self._pins):
            np.minimum.at(first, group[labels], index)
        return first

    def reason(self, labels: np.ndarray) -> str:
        """Why an axis with `labels` stays; empty where nothing holds it and nothing reads it."""
        by_head = int(self._groups.attended[labels].any())
        group, removable = self._partitions[by_head]
        ids = np.unique(group[labels])
        first = int(self._first[by_head][ids].min())
        if first < len(self._pins):
            return self._pins[first][1]
        if not removable[ids].any():
            return reason(self._groups, group, ids, ())
        if len(ids) == 1:
            return "all of it is one unit"
        return "its units lie in no other tensor, or each somewhere else" if self._read[labels].any() else ""
