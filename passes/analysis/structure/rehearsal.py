"""Rehearsal: whether each family could be removed in part, as far as the graph's own integers go."""

from __future__ import annotations

import numpy as np
from torch import fx
from torch.utils._pytree import tree_leaves

from prunec.facts import Family, Pin
from prunec.ir.labels import LabelFlow
from prunec.ir.labels.removal import spans
from prunec.ir.labels.value import Labelled, core
from prunec.ir.literals import LITERALS, rederive
from prunec.ir.nodes import operator
from prunec.ir.program import Program
from prunec.ir.survivors import Survivors


def rehearse(program: Program, flow: LabelFlow, families: list[Family]) -> tuple[list[Family], list[Pin]]:
    """The families that can be removed in part, and a pin for each other one.

    A family can fail although its labels hold no reason to: units may lie unevenly over parts that the
    graph takes to be equal, or a shape may be computed from more than its input's sizes.
    """
    calls = _Calls(program, flow)
    sound: list[Family] = []
    pins: list[Pin] = []
    for family in families:
        failure = next(filter(None, (calls.failure(family, removed) for removed in _parts(family))), None)
        if failure is None:
            sound.append(family)
        else:
            pins.append(Pin(family.name, failure, family.tensors()))
    return sound, pins


def third(family: Family) -> np.ndarray:
    """The first third of the units, as far as they can go."""
    return np.arange(min(-(-family.units // 3), family.spare))


def nearly_all(family: Family) -> np.ndarray:
    """All units but the first that can stay alone, or the first few."""
    return np.arange(family.least, family.units)


def _parts(family: Family) -> tuple[np.ndarray, np.ndarray]:
    """The first third of the units, and the last: as uneven as a removal can be."""
    first = third(family)
    return first, first + family.units - len(first)


class _Calls:
    """The calls that hold integers, and the labels of what each takes and gives."""

    def __init__(self, program: Program, flow: LabelFlow) -> None:
        self._flow = flow
        self._nodes: list[fx.Node] = [node for node in program.graph.nodes if operator(node) in LITERALS]
        labels = [self._labels(node) for node in self._nodes]
        every = np.concatenate([np.zeros(0, dtype=np.int64), *labels])
        order = np.argsort(every, kind="stable")
        self._labels_in_order = every[order]
        self._call_of_each = np.repeat(np.arange(len(labels)), [len(own) for own in labels])[order]

    def failure(self, family: Family, removed: np.ndarray) -> str | None:
        """Why a call cannot be adapted to the removal of some units, if one cannot."""
        survivors = Survivors(self._flow, self._flow.removed(family.cuts(removed)))
        for index in self._touched(np.flatnonzero(survivors.gone)):
            try:
                rederive(self._nodes[index], survivors)
            except ValueError as error:
                return f"{self._nodes[index].name} could not be adapted: {error}"
        return None

    def _touched(self, gone: np.ndarray) -> np.ndarray:
        """The calls that hold one of the labels `gone`, in graph order."""
        first, last = (np.searchsorted(self._labels_in_order, gone, side) for side in ("left", "right"))
        return np.unique(self._call_of_each[spans(first, last - first)])

    def _labels(self, node: fx.Node) -> np.ndarray:
        values = [leaf for item in (node, *node.all_input_nodes) for leaf in tree_leaves(self._flow.values[item])]
        planes = [plane for value in values if isinstance(value, Labelled) for plane in value.planes]
        labels = [core(plane).reshape(-1).numpy() for plane in planes]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *labels]))
