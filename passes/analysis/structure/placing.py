"""Where groups of labels lie in tensors, and which of them lie alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from prunec.facts import Family, Slot

from .groups import Groups

Placement = dict[tuple[str, int], np.ndarray]
"""Where one group lies: (tensor, dim) to the indices it occupies."""


def by_signature(
    groups: Groups, partition: np.ndarray, wanted: np.ndarray, least: int = 2
) -> dict[tuple[tuple[str, int, int], ...], dict[int, Placement]]:
    """The wanted groups that lie in at least `least` tensor axes, by the axes and the room they take there."""
    placements: dict[int, Placement] = defaultdict(dict)
    for name, axes in groups.flow.tensors.items():
        for dim, labels in enumerate(axes):
            ids = partition[labels.numpy()]
            candidates = np.flatnonzero(wanted[ids])
            if not len(candidates):
                continue
            order = candidates[np.argsort(ids[candidates], kind="stable")]
            bounds = np.flatnonzero(np.diff(ids[order])) + 1
            for positions in np.split(order, bounds):
                placements[int(ids[positions[0]])][name, dim] = positions
    families: dict[tuple[tuple[str, int, int], ...], dict[int, Placement]] = defaultdict(dict)
    for group, placement in placements.items():
        if len(placement) >= least:
            families[tuple((*key, len(where)) for key, where in placement.items())][group] = placement
    return families


def in_order(placements: dict[int, Placement]) -> list[int]:
    """Groups in the order in which they lie along the first of their axes."""
    return sorted(placements, key=lambda group: next(iter(placements[group].values()))[0])


def slots_of(placements: dict[int, Placement], ids: list[int]) -> tuple[Slot, ...]:
    """Every axis that the groups `ids`, which lie alike, lie in."""
    return tuple(Slot(*key, np.stack([placements[group][key] for group in ids])) for key in placements[ids[0]])


def families_of(groups: Groups, partition: np.ndarray, wanted: np.ndarray, name: str, kind: str) -> list[Family]:
    """The wanted groups as families called `name`, without sites, though they lie in one tensor axis only."""
    families = []
    for placements in by_signature(groups, partition, wanted, least=1).values():
        ids = in_order(placements)
        if len(ids) > 1:
            families.append(Family(name, kind, len(ids), slots_of(placements, ids), ()))
    return named_apart(families)


def named_apart(families: list[Family]) -> list[Family]:
    """The families with a number behind each name that an earlier one has."""
    seen: Counter[str] = Counter()
    named = []
    for family in families:
        seen[family.name] += 1
        count = seen[family.name]
        named.append(family if count == 1 else replace(family, name=f"{family.name}#{count}"))
    return named
