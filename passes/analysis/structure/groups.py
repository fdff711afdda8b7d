"""Labels joined into groups: connected components of what must go together."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from prunec.ir.labels import LabelFlow


class Groups:
    """Two partitions of the labels of one flow: by element and by attention head.

    By element, labels tied or repeated against each other are one group: the finest thing that can
    go. By head, all dims of a head are one group too, while a tensor that is broadcast over the heads
    (a norm's weight, a rotary table) stays apart, since it outlives any one head.
    """

    def __init__(self, flow: LabelFlow) -> None:
        self.flow = flow
        self.size = flow.ledger.size

    @cached_property
    def element(self) -> np.ndarray:
        """Group id of each label, by element."""
        return self.flow.ledger.components([*self.flow.ledger.tied, *self.flow.ledger.repeated])

    @cached_property
    def head(self) -> np.ndarray:
        """Group id of each label, by head.

        A label that stands for dims of one head only goes with that head, so it belongs to it.
        """
        links = [*self.flow.ledger.tied]
        for attention in self.flow.ledger.attentions:
            anchor = next(iter(attention.roles.values()))[:, :1]
            for labels in attention.roles.values():
                pairs = np.stack([labels.ravel(), np.broadcast_to(anchor, labels.shape).ravel()], axis=1)
                links.append(pairs)
        group = self.flow.ledger.components(links)
        while len(own := self._one_group_only(group)):
            links.append(own)
            group = self.flow.ledger.components(links)
        return group

    def _one_group_only(self, group: np.ndarray) -> np.ndarray:
        """The (wide, narrow) pairs whose narrow label is outside the one group that all its wide ones are in."""
        if not self.flow.ledger.repeated:
            return np.zeros((0, 2), dtype=np.int64)
        pairs = np.concatenate(self.flow.ledger.repeated)
        wide, narrow = group[pairs[:, 0]], pairs[:, 1]
        least, most = np.full(self.size, self.size), np.full(self.size, -1)
        np.minimum.at(least, narrow, wide)
        np.maximum.at(most, narrow, wide)
        return np.asarray(pairs[(least == most)[narrow] & (group[narrow] != wide)])

    @cached_property
    def attended(self) -> np.ndarray:
        """Which labels an attention operator touches."""
        flags = np.zeros(self.size, dtype=bool)
        for attention in self.flow.ledger.attentions:
            for labels in attention.roles.values():
                flags[labels.ravel()] = True
        return flags

    def removable(self, group: np.ndarray) -> np.ndarray:
        """Which groups of a partition can go whole: bool by group id.

        A group stays if it holds a pinned label, part of a sum, or a label that stands for others
        outside the group.
        """
        good = np.ones(int(group.max(initial=-1)) + 1, dtype=bool)
        for labels, _ in self.flow.ledger.pins:
            good[group[labels]] = False
        for sets in self.flow.ledger.reduced:
            ids = group[sets]
            split = (ids != ids[:, :1]).any(axis=1)
            good[np.unique(ids[split])] = False
        for pairs in self.flow.ledger.repeated:
            wide, narrow = group[pairs[:, 0]], group[pairs[:, 1]]
            good[narrow[wide != narrow]] = False
        return good
