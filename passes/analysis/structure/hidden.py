"""Hidden features: units of the residual stream, which all that reads and writes it shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import fx

from prunec.facts import Family, Pin

from .groups import Groups
from .placing import by_signature, in_order, named_apart, slots_of
from .units import are_hidden, family_of


def find_hidden(groups: Groups, streams: Iterable[fx.Node]) -> tuple[list[Family], list[Family], list[Pin]]:
    """The features of residual streams, which the nodes `streams` carry, where means alone are taken of them.

    Returns:
        The families that masks stand for, those that none does, since a normalisation takes its means of what is
        left, and what was left out and why.
    """
    group = groups.feature
    wanted = groups.removable(group, groups.flow.ledger.reduced) & are_hidden(groups, group, streams)
    wanted &= ~groups.with_any(group, groups.attended)
    maskable = groups.removable(group)
    masked: list[Family] = []
    unmasked: list[Family] = []
    pins: list[Pin] = []
    for placements in by_signature(groups, group, wanted).values():
        ids = in_order(placements)
        (first, _), *_ = placements[ids[0]]
        name = f"{first.removesuffix('.weight')}.hidden"
        if len(ids) < 2:
            continue
        if not maskable[ids].all():
            unmasked.append(Family(name, "hidden", len(ids), slots_of(placements, ids), ()))
            continue
        found = family_of(groups, group, placements, "hidden")
        if isinstance(found, Family):
            masked.append(replace(found, name=name))
        elif found is not None:
            pins.append(found)
    return named_apart(masked), named_apart(unmasked), pins
