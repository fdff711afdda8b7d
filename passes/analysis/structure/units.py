"""Families of units: groups of labels that occupy the same tensor axes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np
from torch import fx

from prunec.facts import ADDITIVE, Family, MaskPoint, Pin, Site, Slot
from prunec.ir.text import operator_name

from .groups import SCORES, VALUES, Groups, Pinned
from .means import mean_points

Placement = dict[tuple[str, int], np.ndarray]
"""Where one group lies: (tensor, dim) to the indices it occupies."""
ROLES = (*SCORES, *VALUES, "scores")
"""Every role that labels play in an attention."""


def find_families(groups: Groups, kinds: Collection[str], streams: Iterable[fx.Node]) -> tuple[list[Family], list[Pin]]:
    """Every family of some kinds but `hidden`, in graph order, and what was left out and why.

    The features of the residual streams, which the nodes `streams` carry, are no neurons where means are taken of them.
    """
    heads = _attention_groups(groups)
    neurons = groups.removable(groups.element)
    neurons &= ~groups.with_any(groups.element, groups.attended)
    neurons &= ~_hidden(groups, groups.element, streams)
    found = [*_search(groups, groups.head, heads), *_search(groups, groups.element, neurons)]
    rows = _in_rows(groups, found) & ~_hidden(groups, groups.over_rows, streams)
    found += [item for item in _search(groups, groups.over_rows, rows) if isinstance(item, Family)]
    dims = groups.removable(groups.across)
    if "vo_dim" in kinds:
        found += _search(groups, groups.across, groups.value_dims & dims)
    if "qk_dim" in kinds:
        found += _search(groups, groups.across, groups.score_dims & dims, least=1)
    families = [item for item in found if isinstance(item, Family) and item.kind in kinds]
    pins = [item for item in found if isinstance(item, Pin)]
    pins.extend(_fixed(groups, groups.head, heads, "heads", ROLES))
    if "qk_dim" in kinds:
        pins.extend(_fixed(groups, groups.across, groups.score_dims & dims, "query and key dims", SCORES))
    order = {node.name: index for index, node in enumerate(groups.flow.values)}
    families.sort(key=lambda family: order[family.mask_points()[0].node])
    return _named_apart(families), pins


def find_hidden(groups: Groups, streams: Iterable[fx.Node]) -> tuple[list[Family], list[Family], list[Pin]]:
    """The features of residual streams, which the nodes `streams` carry, where means alone are taken of them.

    Returns:
        The families that masks stand for, those that none does, since a normalisation takes its means of what is
        left, and what was left out and why.
    """
    group = groups.feature
    wanted = groups.removable(group, groups.flow.ledger.reduced) & _hidden(groups, group, streams)
    wanted &= ~groups.with_any(group, groups.attended)
    maskable = groups.removable(group)
    masked: list[Family] = []
    unmasked: list[Family] = []
    pins: list[Pin] = []
    for placements in _by_signature(groups, group, wanted).values():
        ids = _in_order(placements)
        (first, _), *_ = placements[ids[0]]
        name = f"{first.removesuffix('.weight')}.hidden"
        if len(ids) < 2:
            continue
        if not maskable[ids].all():
            unmasked.append(Family(name, "hidden", len(ids), _slots(placements, ids), ()))
            continue
        found = _family(groups, group, placements, "hidden")
        if isinstance(found, Family):
            masked.append(replace(found, name=name))
        elif found is not None:
            pins.append(found)
    return _named_apart(masked), _named_apart(unmasked), pins


def _hidden(groups: Groups, group: np.ndarray, streams: Iterable[fx.Node]) -> np.ndarray:
    """Which groups of a partition are features of residual streams that means are taken of: bool by group id."""
    return np.asarray(groups.with_any(group, groups.carried(streams)) & groups.with_any(group, groups.averaged))


def find_experts(groups: Groups) -> tuple[list[Family], list[Pin]]:
    """What is chosen from by place: units that every sum or choice among them is made without, as its masks show."""
    group = groups.element
    wanted = groups.removable(group, [item for item in groups.sums if item.absent is None])
    wanted[group[groups.attended]] = False
    wanted &= np.bincount(group, weights=groups.chosen) > 0
    families: list[Family] = []
    pins: list[Pin] = []
    for placements in _by_signature(groups, group, wanted).values():
        ids = _in_order(placements)
        if len(ids) < 2:
            continue
        unit = np.full(len(wanted), -1)
        unit[ids] = np.arange(len(ids))
        family = _expert_family(groups, placements, unit)
        if family.spare > 0:
            families.append(family)
        else:
            pins.append(Pin(family.name, f"as many as its {family.units} units are chosen at once"))
    return _named_apart(families), pins


def _expert_family(groups: Groups, placements: dict[int, Placement], unit: np.ndarray) -> Family:
    """The groups `placements` as a family; `unit` is the unit of each group, or -1."""
    ids = _in_order(placements)
    points: list[MaskPoint] = []
    least = 1
    for item in groups.sums:
        units = unit[groups.element[item.sets[0]]]
        if item.absent is not None and (units >= 0).any():
            points.append(MaskPoint(item.node.name, 0, units, item.axis, item.absent))
            least = max(least, _fewest(units, len(ids), item.chosen))
    sites, slots = tuple(_sites(groups, groups.element, unit)), _slots(placements, ids)
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


def families_of(groups: Groups, partition: np.ndarray, wanted: np.ndarray, name: str, kind: str) -> list[Family]:
    """The wanted groups as families called `name`, without sites, though they lie in one tensor axis only."""
    families = []
    for placements in _by_signature(groups, partition, wanted, least=1).values():
        ids = _in_order(placements)
        if len(ids) > 1:
            families.append(Family(name, kind, len(ids), _slots(placements, ids), ()))
    return _named_apart(families)


def find_summed(groups: Groups, streams: Iterable[fx.Node]) -> Iterator[Pin]:
    """Units that a product reads and that nothing holds but a sum over them, such as a norm; streams are left out."""
    group = groups.element
    wanted = groups.removable(group, ()) & groups.split(group, groups.sums)
    wanted &= ~groups.with_any(group, groups.attended | groups.carried(streams))
    for placements in _by_signature(groups, group, wanted).values():
        found = _family(groups, group, placements)
        if isinstance(found, Family):
            why = _summed(groups, group, np.array(list(placements)))
            yield Pin(f"{found.units} units of {found.name}", why, found.tensors())


def _summed(groups: Groups, group: np.ndarray, ids: np.ndarray) -> str:
    """Which sum runs over groups; empty where none does."""
    nodes = (item.node for item in groups.sums if groups.split(group, [item])[ids].any())
    node = next(nodes, None)
    return f"{node.name} ({operator_name(node)}) sums over all of them" if node is not None else ""


def _attention_groups(groups: Groups) -> np.ndarray:
    attended = np.zeros(int(groups.head.max(initial=-1)) + 1, dtype=bool)
    attended[groups.head[groups.attended]] = True
    return np.asarray(attended & groups.removable(groups.head))


def _fixed(
    groups: Groups, partition: np.ndarray, wanted: np.ndarray, what: str, roles: Collection[str]
) -> Iterator[Pin]:
    """Attention operators none of whose groups in some roles can go, with the first reason."""
    for attention in groups.flow.ledger.attentions:
        labels = [labels.ravel() for name, labels in attention.roles.items() if name in roles]
        if not labels or wanted[own := np.unique(partition[np.concatenate(labels)])].any():
            continue
        weights = _weights(groups, partition, own)
        where = f"{weights[0].removesuffix('.weight')} in " if weights else ""
        why = reason(groups, partition, own, groups.flow.ledger.pins)
        yield Pin(f"{what} of {where}{attention.node.name}", why, weights)


def _weights(groups: Groups, partition: np.ndarray, own: np.ndarray) -> tuple[str, ...]:
    """The tensors of several axes in which one of the groups `own` lies."""
    return tuple(
        name
        for name, axes in groups.flow.tensors.items()
        if len(axes) > 1 and any(np.isin(partition[labels.numpy()], own).any() for labels in axes)
    )


def reason(groups: Groups, partition: np.ndarray, own: np.ndarray, pins: Iterable[Pinned]) -> str:
    """Why the groups `own` stay, as far as `pins`, sums and what stands for others say."""
    reasons = (why for labels, why in pins if np.isin(partition[labels], own).any())
    return next(reasons, "") or _summed(groups, partition, own) or "each is tied to what is outside it"


def _search(groups: Groups, partition: np.ndarray, wanted: np.ndarray, least: int = 2) -> list[Family | Pin]:
    """What the wanted groups of a partition make up that lie in at least `least` tensor axes."""
    placements = _by_signature(groups, partition, wanted, least).values()
    made = (_family(groups, partition, item) for item in placements)
    return [item for item in made if item is not None]


def _in_rows(groups: Groups, found: list[Family | Pin]) -> np.ndarray:
    """Which groups over rows can go, and hold nothing of attention's or of families that are found: bool by id."""
    held = groups.attended.copy()
    for slot in (slot for item in found if isinstance(item, Family) for slot in item.slots):
        held[groups.flow.tensors[slot.tensor][slot.dim].numpy()[slot.positions]] = True
    return np.asarray(groups.removable(groups.over_rows) & ~groups.with_any(groups.over_rows, held))


def _by_signature(
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


def _family(
    groups: Groups, partition: np.ndarray, placements: dict[int, Placement], kind: str = ""
) -> Family | Pin | None:
    ids = _in_order(placements)
    if len(ids) < 2:
        return None
    unit = np.full(int(partition.max()) + 1, -1)
    unit[ids] = np.arange(len(ids))
    sites = tuple(_sites(groups, partition, unit))
    first, dim = next(iter(placements[ids[0]]))
    tensors = tuple(name for name, _ in placements[ids[0]])
    try:
        read = {(site.node, site.argument) for site in sites}
        across = _points(groups, partition, unit) if partition is groups.across else ()
        products = [point for point in across if (point.node, point.argument) not in read]
        points = (*products, *mean_points(groups.flow.ledger, unit[partition]))
    except ValueError as error:
        return Pin(f"{first}, axis {dim}", f"{len(ids)} units: {error}", tensors)
    if not sites and not products:
        return Pin(f"{first}, axis {dim}", f"{len(ids)} units are read by no product with a weight", tensors)
    kind = kind or _kind(groups, partition, ids, sites)
    name = sites[0].weight if sites else first
    name = name.removesuffix(".weight") + ("" if kind in ADDITIVE else f".{kind}")
    return Family(name, kind, len(ids), _slots(placements, ids), sites, points)


def _in_order(placements: dict[int, Placement]) -> list[int]:
    """Groups in the order in which they lie along the first of their axes."""
    return sorted(placements, key=lambda group: next(iter(placements[group].values()))[0])


def _slots(placements: dict[int, Placement], ids: list[int]) -> tuple[Slot, ...]:
    return tuple(Slot(*key, np.stack([placements[group][key] for group in ids])) for key in placements[ids[0]])


def _sites(groups: Groups, partition: np.ndarray, unit: np.ndarray) -> Iterator[Site]:
    """Every product that reads a unit; `unit` is the unit of each group, or -1."""
    for item in groups.flow.ledger.contractions:
        units = unit[partition[item.labels]]
        if (units >= 0).any():
            yield Site(item.node.name, item.activation, item.weight, item.dim, units, item.axis)


def _points(groups: Groups, partition: np.ndarray, unit: np.ndarray) -> Iterator[MaskPoint]:
    """Every product without a site that sums over a unit; `unit` is the unit of each group, or -1.

    Raises:
        ValueError: such a product has other units in other rows.
    """
    seen = set()
    for item in groups.flow.ledger.products:
        units = unit[partition[item.labels]]
        if (units < 0).all():
            continue
        if (units != units[0]).any():
            raise ValueError(f"{item.node.name} sums over them in other places of each row")
        key = (item.node.name, item.argument, units[0].tobytes())
        if key not in seen:
            seen.add(key)
            yield MaskPoint(item.node.name, item.argument, units[0])


def _named_apart(families: list[Family]) -> list[Family]:
    """The families with a number behind each name that an earlier one has."""
    seen: Counter[str] = Counter()
    named = []
    for family in families:
        seen[family.name] += 1
        count = seen[family.name]
        named.append(family if count == 1 else replace(family, name=f"{family.name}#{count}"))
    return named


def _kind(groups: Groups, partition: np.ndarray, ids: list[int], sites: tuple[Site, ...]) -> str:
    """A unit without attention is a neuron, or a channel where convolutions read it; KV groups have several queries."""
    if partition is groups.across:
        return "qk_dim" if groups.score_dims[ids[0]] else "vo_dim"
    if partition is not groups.head:
        return "neuron" if all(site.axis == -1 for site in sites) else "channel"
    # Scores have labels of their own for each sample; those of queries are the weight's.
    heads = (
        np.unique(rows[:, 0])
        for attention in groups.flow.ledger.attentions
        for rows in [next(rows for name, rows in attention.roles.items() if name != "scores")]
    )
    return "kv_group" if max(int((partition[labels] == ids[0]).sum()) for labels in heads) > 1 else "head"
