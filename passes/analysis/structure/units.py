"""Families of units: groups of labels that occupy the same tensor axes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from torch import fx

from prunec.facts import ADDITIVE, Family, MaskPoint, Pin, Site

from .groups import SCORES, VALUES, Groups
from .means import mean_points
from .pinned import fixed
from .placing import Placement, by_signature, in_order, named_apart, slots_of

ROLES = (*SCORES, *VALUES, "scores")
"""Every role that labels play in an attention."""


def find_families(groups: Groups, kinds: Collection[str], streams: Iterable[fx.Node]) -> tuple[list[Family], list[Pin]]:
    """Every family of some kinds but `hidden`, in graph order, and what was left out and why.

    The features of the residual streams, which the nodes `streams` carry, are no neurons where means are taken of them.
    """
    heads = _attention_groups(groups)
    neurons = groups.removable(groups.element)
    neurons &= ~groups.with_any(groups.element, groups.attended)
    neurons &= ~are_hidden(groups, groups.element, streams)
    found = [*_search(groups, groups.head, heads), *_search(groups, groups.element, neurons)]
    rows = _in_rows(groups, found) & ~are_hidden(groups, groups.over_rows, streams)
    found += [item for item in _search(groups, groups.over_rows, rows) if isinstance(item, Family)]
    dims = groups.removable(groups.across)
    if "vo_dim" in kinds:
        found += _search(groups, groups.across, groups.value_dims & dims)
    if "qk_dim" in kinds:
        found += _search(groups, groups.across, groups.score_dims & dims, least=1)
    families = [item for item in found if isinstance(item, Family) and item.kind in kinds]
    pins = [item for item in found if isinstance(item, Pin)]
    pins.extend(fixed(groups, groups.head, heads, "heads", ROLES))
    if "qk_dim" in kinds:
        pins.extend(fixed(groups, groups.across, groups.score_dims & dims, "query and key dims", SCORES))
    order = {node.name: index for index, node in enumerate(groups.flow.values)}
    families.sort(key=lambda family: order[family.mask_points()[0].node])
    return named_apart(families), pins


def _search(groups: Groups, partition: np.ndarray, wanted: np.ndarray, least: int = 2) -> list[Family | Pin]:
    """What the wanted groups of a partition make up that lie in at least `least` tensor axes."""
    placements = by_signature(groups, partition, wanted, least).values()
    made = (family_of(groups, partition, item) for item in placements)
    return [item for item in made if item is not None]


def _attention_groups(groups: Groups) -> np.ndarray:
    attended = np.zeros(int(groups.head.max(initial=-1)) + 1, dtype=bool)
    attended[groups.head[groups.attended]] = True
    return np.asarray(attended & groups.removable(groups.head))


def _in_rows(groups: Groups, found: list[Family | Pin]) -> np.ndarray:
    """Which groups over rows can go, and hold nothing of attention's or of families that are found: bool by id."""
    held = groups.attended.copy()
    for slot in (slot for item in found if isinstance(item, Family) for slot in item.slots):
        held[groups.flow.tensors[slot.tensor][slot.dim].numpy()[slot.positions]] = True
    return np.asarray(groups.removable(groups.over_rows) & ~groups.with_any(groups.over_rows, held))


def are_hidden(groups: Groups, group: np.ndarray, streams: Iterable[fx.Node]) -> np.ndarray:
    """Which groups of a partition are features of residual streams that means are taken of: bool by group id."""
    return np.asarray(groups.with_any(group, groups.carried(streams)) & groups.with_any(group, groups.averaged))


def family_of(
    groups: Groups, partition: np.ndarray, placements: dict[int, Placement], kind: str = ""
) -> Family | Pin | None:
    """Groups that lie alike as a family, of what kind it seems or is said to be; a pin where no mask would do."""
    ids = in_order(placements)
    if len(ids) < 2:
        return None
    unit = np.full(int(partition.max()) + 1, -1)
    unit[ids] = np.arange(len(ids))
    sites = tuple(sites_of(groups, partition, unit))
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
    return Family(name, kind, len(ids), slots_of(placements, ids), sites, points)


def sites_of(groups: Groups, partition: np.ndarray, unit: np.ndarray) -> Iterator[Site]:
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
