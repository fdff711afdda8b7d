"""Experts: what a router chooses from by place."""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from prunec.facts import Family, MaskPoint, Pin, Slot

from .groups import Groups
from .means import mean_points
from .placing import Placement, by_signature, in_order, named_apart, slots_of
from .units import sites_of


def find_experts(groups: Groups) -> tuple[list[Family], list[Pin]]:
    """What is chosen from by place: units that every sum or choice among them is made without, as its masks show."""
    group = groups.element
    wanted = groups.removable(group, [item for item in groups.sums if item.absent is None])
    wanted[group[groups.attended]] = False
    wanted &= np.bincount(group, weights=groups.chosen) > 0
    families: list[Family] = []
    pins: list[Pin] = []
    for placements in by_signature(groups, group, wanted).values():
        ids = in_order(placements)
        if len(ids) < 2:
            continue
        unit = np.full(len(wanted), -1)
        unit[ids] = np.arange(len(ids))
        try:
            family = _expert_family(groups, placements, unit)
        except ValueError as error:
            pins.append(Pin(f"experts of {next(iter(placements[ids[0]]))[0]}", str(error)))
            continue
        if family.spare > 0:
            families.append(family)
        else:
            why = f"as many as its {family.units} units are chosen at once"
            pins.append(Pin(family.name, why, family.tensors()))
    return named_apart(families), pins


def _expert_family(groups: Groups, placements: dict[int, Placement], unit: np.ndarray) -> Family:
    """The groups `placements` as a family; `unit` is the unit of each group, or -1.

    Raises:
        ValueError: no mask would do for a mean over them.
    """
    ids = in_order(placements)
    points: list[MaskPoint] = []
    least = 1
    for item in groups.sums:
        units = unit[groups.element[item.sets[0]]]
        if item.absent is not None and (units >= 0).any():
            points.append(MaskPoint(item.node.name, 0, units, item.axis, item.absent))
            least = max(least, _fewest(units, len(ids), item.chosen))
    points.extend(mean_points(groups.flow.ledger, unit[groups.element]))
    sites, slots = tuple(sites_of(groups, groups.element, unit)), slots_of(placements, ids)
    return Family(f"{_module(slots)}.expert", "expert", len(ids), slots, sites, tuple(points), least)


def _module(slots: tuple[Slot, ...]) -> str:
    """The module that holds all tensors of some slots, or else the first tensor."""
    parts = [slot.tensor.split(".")[:-1] for slot in slots]
    shared = takewhile(lambda names: len(set(names)) == 1, zip(*parts, strict=False))
    return ".".join(names[0] for names in shared) or slots[0].tensor.removesuffix(".weight")


def _fewest(units: np.ndarray, count: int, chosen: int) -> int:
    """How many of `count` units must stay for `chosen` elements to be left, whichever go; `units` is each one's."""
    largest_first = np.sort(np.bincount(units[units >= 0], minlength=count))[::-1]
    left = len(units) - np.concatenate([[0], np.cumsum(largest_first)])
    return count - int(np.flatnonzero(left >= chosen).max())
