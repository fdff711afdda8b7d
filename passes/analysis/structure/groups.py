"""Labels joined into groups: connected components of what must go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, partial

import numpy as np
from torch import fx

from prunec.ir.labels import LabelFlow
from prunec.ir.labels.ledger import Sum
from prunec.ir.labels.value import core

VALUES = ("values", "output")
"""Roles of the dims that attention sums over tokens."""
SCORES = ("query", "key", "first", "second")
"""Roles of the dims that its scores are summed over."""
Pinned = tuple[np.ndarray, str]
"""Labels that stay, and why."""


class Groups:
    """Partitions of the labels of one flow: by element, over rows, by attention head, across the heads, by feature.

    By element, labels tied or repeated against each other are one group: the finest thing that can
    go. Over rows, labels are joined by what tensors share only: the features at one place of each of
    several rows, such as each layer's part of what is computed for all layers at once. By head, all
    dims of a head are one group too, while a tensor that is broadcast over the heads (a norm's weight,
    a rotary table) stays apart, since it outlives any one head. Across the heads, the dims at one place
    of each head are a group: without it, the heads stay a rectangle. By feature, labels are joined as
    little as can be: what a sum leaves of many features joins none of them.
    """

    def __init__(self, flow: LabelFlow) -> None:
        self.flow = flow
        self.size = flow.ledger.size

    @cached_property
    def element(self) -> np.ndarray:
        """Group id of each label, by element."""
        return self.flow.ledger.components([*self.flow.ledger.tied, *self.flow.ledger.repeated])

    @cached_property
    def over_rows(self) -> np.ndarray:
        """Group id of each label, by place in rows that share a tensor, such as the columns of a matrix."""
        stored = self._flags(labels.numpy() for axes in self.flow.tensors.values() for labels in axes)
        return self._joined([pairs[stored[pairs[:, 1]]] for pairs in self.flow.ledger.repeated])

    @cached_property
    def head(self) -> np.ndarray:
        """Group id of each label, by head.

        A label that stands for dims of one head only goes with that head, so it belongs to it.
        """
        links = []
        for attention in self.flow.ledger.attentions:
            anchor = next(iter(attention.roles.values()))[:, :1]
            links += [_pairs(labels, anchor) for labels in attention.roles.values()]
        return self._joined(links)

    @cached_property
    def across(self) -> np.ndarray:
        """Group id of each label, by place in the head over all heads of an attention operator.

        A label that stands for one dim in every head goes with that dim, so it belongs to it, and what stands
        for dims of several attentions, such as a rotary table, joins them.
        """
        links = [_pairs(labels, labels[:1]) for labels in self._roles((*VALUES, *SCORES))]
        return self._joined(links, call_by_call=True)

    @cached_property
    def feature(self) -> np.ndarray:
        """Group id of each label, by feature."""
        return self.linked([])

    @cached_property
    def averaged(self) -> np.ndarray:
        """Which labels a mean is taken over."""
        ledger = self.flow.ledger
        return self._flags([*(item.sets for item in ledger.averaged), *(item.labels for item in ledger.means)])

    def linked(self, links: list[np.ndarray]) -> np.ndarray:
        """Group id of each label, by feature, where pairs of `links` join features."""
        return self._joined(links)

    def _joined(self, links: list[np.ndarray], *, call_by_call: bool = False) -> np.ndarray:
        """Group id of each label where labels are tied, linked, or stand for those of one group only.

        Args:
            links: pairs of labels.
            call_by_call: whether it is enough that they stand for those of one group at one place of one call.
        """
        repeated, places = self.flow.ledger.repeated, self.flow.ledger.places
        if not call_by_call:
            repeated = [np.concatenate([np.zeros((0, 2), dtype=np.int64), *repeated])]
            places = [repeated[0][:, 1]]
        links = [*self.flow.ledger.tied, *links]
        group = self.flow.ledger.components(links)
        while own := [pairs for pairs in map(partial(_one_group_only, group), repeated, places) if len(pairs)]:
            links += own
            group = self.flow.ledger.components(links)
        return group

    @cached_property
    def attended(self) -> np.ndarray:
        """Which labels an attention operator touches."""
        return self._flags(labels for item in self.flow.ledger.attentions for labels in item.roles.values())

    @cached_property
    def value_dims(self) -> np.ndarray:
        """Which groups across the heads hold value dims, and no dim that scores are summed over: bool by group id."""
        wanted = np.bincount(self.across, weights=self._flags(self._roles(VALUES))) > 0
        return np.asarray(wanted & ~self.score_dims)

    @cached_property
    def score_dims(self) -> np.ndarray:
        """Which groups across the heads hold dims that scores are summed over: bool by group id."""
        return np.asarray(np.bincount(self.across, weights=self._flags(self._roles(SCORES))) > 0)

    def _roles(self, names: tuple[str, ...]) -> Iterator[np.ndarray]:
        """The labels `[heads, size]` that play one of some roles in an attention."""
        for attention in self.flow.ledger.attentions:
            yield from (labels for name, labels in attention.roles.items() if name in names)

    def _flags(self, arrays: Iterable[np.ndarray]) -> np.ndarray:
        flags = np.zeros(self.size, dtype=bool)
        for labels in arrays:
            flags[labels.ravel()] = True
        return flags

    @cached_property
    def chosen(self) -> np.ndarray:
        """Which labels are chosen from by place, such as the experts that a router ranks."""
        return self._flags(self.flow.ledger.chosen)

    @property
    def sums(self) -> list[Sum]:
        """Every sum over labels, and every mean whose denominator would go with them."""
        return [*self.flow.ledger.reduced, *self.flow.ledger.averaged]

    def carried(self, nodes: Iterable[fx.Node]) -> np.ndarray:
        """Which labels the values of `nodes` have: bool by label."""
        planes = (plane for node in nodes for plane in self.flow.values[node].planes)
        return self._flags(core(plane).reshape(-1).numpy() for plane in planes)

    def with_any(self, group: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Which groups of a partition hold any of `labels` (bool by label): bool by group id."""
        return np.asarray(np.bincount(group, weights=labels, minlength=int(group.max(initial=-1)) + 1) > 0)

    def split(self, group: np.ndarray, sums: Iterable[Sum]) -> np.ndarray:
        """Which groups of a partition are a part only of what one of `sums` runs over: bool by group id."""
        parts = np.zeros(int(group.max(initial=-1)) + 1, dtype=bool)
        for item in sums:
            ids = group[item.sets]
            parts[np.unique(ids[(ids != ids[:, :1]).any(axis=1)])] = True
        return parts

    def removable(
        self, group: np.ndarray, sums: Iterable[Sum] | None = None, pins: Iterable[Pinned] | None = None
    ) -> np.ndarray:
        """Which groups of a partition can go whole: bool by group id.

        A group stays if it holds a label of one of `pins` (of any, by default), a part of one of `sums` (likewise), or
        a label that stands for others outside the group.
        """
        good = np.ones(int(group.max(initial=-1)) + 1, dtype=bool)
        for labels, _ in self.flow.ledger.pins if pins is None else pins:
            good[group[labels]] = False
        good &= ~self.split(group, self.sums if sums is None else sums)
        for pairs in self.flow.ledger.repeated:
            wide, narrow = group[pairs[:, 0]], group[pairs[:, 1]]
            good[narrow[wide != narrow]] = False
        return good


def _one_group_only(group: np.ndarray, pairs: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The (wide, narrow) pairs whose narrow label is outside the one group that all wide ones at its place are in."""
    size = int(places.max(initial=-1)) + 1
    wide = group[pairs[:, 0]]
    least, most = np.full(size, len(group)), np.full(size, -1)
    np.minimum.at(least, places, wide)
    np.maximum.at(most, places, wide)
    return np.asarray(pairs[(least == most)[places] & (group[pairs[:, 1]] != wide)])


def _pairs(labels: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Pairs of labels `[heads, size]` with those of `anchor`, which is broadcast over them."""
    return np.stack([labels.ravel(), np.broadcast_to(anchor, labels.shape).ravel()], axis=1)
