"""The trial: every family cut at once on shapes alone, so that what label flow missed shows before anything is cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prunec.errors import PassError
from prunec.facts import Family, Pin, Plan, Structure
from prunec.ir.labels import LabelFlow
from prunec.ir.program import Program
from prunec.ir.shapes import Shapes
from prunec.ir.slicing import slice_program

from .rehearsal import nearly_all, third

Part = Callable[[Family], np.ndarray]


def try_out(program: Program, flow: LabelFlow, families: list[Family]) -> tuple[list[Family], list[Pin]]:
    """The families that can be cut together, and a pin for each other one.

    Where the whole cannot run, halves are tried until the families that are to blame stand alone.
    """
    return _sift(_Trial(program, flow), families)


def _sift(trial: _Trial, families: list[Family]) -> tuple[list[Family], list[Pin]]:
    failure = trial.failure(families)
    if failure is None:
        return families, []
    if len(families) == 1:
        return [], [Pin(families[0].name, failure, families[0].tensors())]
    middle = len(families) // 2
    (first, pins), (second, more) = _sift(trial, families[:middle]), _sift(trial, families[middle:])
    sound = first + second
    if not pins and not more:  # each half runs, the whole does not
        return first, [Pin(family.name, failure, family.tensors()) for family in second]
    if (failure := trial.failure(sound)) is not None:
        return first, [*pins, *more, *(Pin(family.name, failure, family.tensors()) for family in second)]
    return sound, [*pins, *more]


class _Trial:
    """Cuts families out of a program's shapes and runs what is left."""

    def __init__(self, program: Program, flow: LabelFlow) -> None:
        self._shapes = Shapes.of(program)
        # By their order: a copied placeholder may have to give up its name, as `input` does.
        copies = dict(zip(program.graph.nodes, self._shapes.program.graph.nodes, strict=True))
        self._flow = LabelFlow(flow.tensors, {copies[node]: value for node, value in flow.values.items()}, flow.ledger)

    def failure(self, families: list[Family]) -> str | None:
        """Why the program cannot run without a part of each family, if it cannot."""
        return next(filter(None, (self._without(families, part) for part in (third, nearly_all))), None)

    def _without(self, families: list[Family], part: Part) -> str | None:
        plan = Plan({family.name: tuple(part(family).tolist()) for family in families})
        try:
            cut = slice_program(self._shapes.program, plan.cuts(Structure(tuple(families), ())), self._flow)
        except PassError as error:
            return error.what
        failure = Shapes(cut, self._shapes.mode).failure()
        return f"{failure.node.name} could not run after it: {failure.why}" if failure else None
