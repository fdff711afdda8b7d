"""Why groups of labels stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from prunec.facts import Pin
from prunec.ir.text import operator_name

from .groups import Groups, Pinned


def fixed(
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
    return next(reasons, "") or summed(groups, partition, own) or "each is tied to what is outside it"


def summed(groups: Groups, group: np.ndarray, ids: np.ndarray) -> str:
    """Which sum runs over groups; empty where none does."""
    nodes = (item.node for item in groups.sums if groups.split(group, [item])[ids].any())
    node = next(nodes, None)
    return f"{node.name} ({operator_name(node)}) sums over all of them" if node is not None else ""
