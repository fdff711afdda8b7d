"""Labels joined into groups: connected components of what must go together."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

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
        return self._components([*self.flow.ledger.tied, *self.flow.ledger.repeated])

    @cached_property
    def head(self) -> np.ndarray:
        """Group id of each label, by head."""
        links = []
        for attention in self.flow.ledger.attentions:
            anchor = attention.roles["v"][:, :1]
            for labels in attention.roles.values():
                pairs = np.stack([labels.ravel(), np.broadcast_to(anchor, labels.shape).ravel()], axis=1)
                links.append(pairs)
        return self._components([*self.flow.ledger.tied, *links])

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

    def _components(self, links: list[np.ndarray]) -> np.ndarray:
        pairs = np.concatenate(links) if links else np.zeros((0, 2), dtype=np.int64)
        weights = np.ones(len(pairs), dtype=np.int8)
        matrix = coo_array((weights, (pairs[:, 0], pairs[:, 1])), shape=(self.size, self.size))
        return connected_components(matrix, directed=False)[1].astype(np.int64)
