"""Rehearsal: whether every family could be removed in part, as far as the graph's own integers go."""

from __future__ import annotations

import numpy as np
from torch import fx

from prunec.facts import Cuts, Family, Pin
from prunec.ir.labels import LabelFlow
from prunec.ir.literals import rederive
from prunec.ir.program import Program
from prunec.ir.survivors import Survivors


def rehearse(program: Program, flow: LabelFlow, families: list[Family]) -> tuple[list[Family], list[Pin]]:
    """The families that can be removed in part, and a pin for each other one.

    A family can fail although its labels hold no reason to: units may lie unevenly over parts that the
    graph takes to be equal, or a shape may be computed from more than its input's sizes.
    """
    pins: list[Pin] = []
    while families:
        failure = _first_failure(program, Survivors(flow, flow.removed(_part(families))))
        if failure is None:
            break
        node, why = failure
        touching = [item for item in families if Survivors(flow, flow.removed(_part([item]))).touches_call(node)]
        pins.extend(Pin(item.name, f"{node.name} could not be adapted: {why}") for item in touching)
        families = [item for item in families if item not in touching]
    return families, pins


def _part(families: list[Family]) -> Cuts:
    """What goes with the first third of every family: as uneven as a removal can be."""
    cuts: Cuts = {}
    for family in families:
        for key, indices in family.cuts(np.arange(-(-family.units // 3))).items():
            cuts[key] = np.concatenate([cuts[key], indices]) if key in cuts else indices
    return cuts


def _first_failure(program: Program, survivors: Survivors) -> tuple[fx.Node, str] | None:
    for node in program.graph.nodes:
        try:
            rederive(node, survivors)
        except ValueError as error:
            return node, str(error)
    return None
