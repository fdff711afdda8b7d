"""The trials of one model: which plans are carried out, and what each showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from prunec.errors import PrunecError
from prunec.facts import Family, Plan, Structure
from prunec.frontends.diagnosis import first_line
from prunec.ir.precision import doubles, in_double
from prunec.ir.program import Program
from tests.passes.golden import (
    TOLERANCE,
    VISIBLE,
    Comparison,
    Oracle,
    Values,
    all_but_one,
    alone,
    no_sublayers,
    random_plan,
)
from tests.passes.hidden import compare_left_out
from tests.passes.vocabulary import compare_renumbered

SEEDS = 3
"""Mixed plans: units of every family and sublayers at once."""
BOTH_ALONE = 8
"""Up to this many families, each is tried alone twice: with some units gone, and with all but one."""
Compare = Callable[[Program, Family, np.ndarray, Values], Comparison]
UNMASKED: dict[str, Compare] = {"hidden": compare_left_out, "vocabulary": compare_renumbered}
"""The oracle of each kind of units that no mask stands for."""
LEAST = 1e-12
"""What rounding comes to in float64, over the largest output."""


@dataclass(frozen=True)
class Trial:
    """One plan carried out.

    Attributes:
        plan: which, in words.
        error: slim against masked, over the largest output; None where it crashed.
        effect: masked against dense, likewise.
        double: whether it was compared in float64: float32 differed by more than the tolerance, or hid the effect.
        crash: what was raised.
    """

    plan: str
    error: float | None
    effect: float = 0.0
    double: bool = False
    crash: str = ""

    @property
    def difference(self) -> float | None:
        """The error over the largest output, masked or dense."""
        return self.error / max(1.0, self.effect) if self.error is not None else None

    @property
    def held(self) -> bool:
        """Whether slim equals masked; where the plan hardly shows, more closely than it shows.

        Where hardly anything is left of the outputs, rounding counts by what they were.
        """
        allowed = max(TOLERANCE, LEAST * self.effect) if self.effect > VISIBLE else max(TOLERANCE * self.effect, LEAST)
        return self.error is not None and self.error <= allowed


def plans(structure: Structure) -> Iterator[tuple[str, Plan]]:
    """Every plan that a structure is judged by: each family alone, then mixed ones."""
    for index, family in enumerate(structure.families):
        both = list(alone(family))
        for plan in both if len(structure.families) <= BOTH_ALONE else both[index % 2 :][:1] or both:
            yield f"{len(plan.units[family.name])} of {family.units} units of {family.name}", plan
    for seed in range(SEEDS):
        yield f"mixed {seed}", random_plan(structure, seed)
    yield "mixed, units only", random_plan(structure, SEEDS, sublayers=False)
    yield "all but one unit of every family", all_but_one(structure, SEEDS + 1)
    yield "every sublayer", no_sublayers(structure)


def trials(program: Program, structure: Structure, inputs: Values) -> Iterator[Trial]:
    """Every plan carried out, and every family without masks cut: a third of its units gone, and all but one."""
    oracle = cache(partial(_oracle, Oracle.of(program, structure, inputs)))
    for name, plan in plans(structure):
        if not plan.is_empty():
            yield _tried(name, partial(_masked, oracle, plan))
    whole = cache(partial(_whole, program, inputs))
    for family in structure.unmasked:
        for count in sorted({-(-family.units // 3), family.units - 1}):
            yield _tried(f"{count} of {family.units} units of {family.name}", partial(_unmasked, whole, family, count))


def _oracle(oracle: Oracle, double: bool) -> Oracle:
    return oracle.in_double() if double else oracle


def _masked(oracle: Callable[[bool], Oracle], plan: Plan, double: bool) -> Comparison:
    return oracle(double).compare(plan)


def _whole(program: Program, inputs: Values, double: bool) -> tuple[Program, Values]:
    return (in_double(program), doubles(inputs)) if double else (program, inputs)


def _unmasked(whole: Callable[[bool], tuple[Program, Values]], family: Family, count: int, double: bool) -> Comparison:
    program, inputs = whole(double)
    return UNMASKED[family.kind](program, family, np.arange(count), inputs)


def _tried(name: str, compare: Callable[[bool], Comparison]) -> Trial:
    """What `compare` finds, which takes whether to compute in float64."""
    try:
        found = compare(False)
        double = not found.error <= TOLERANCE or found.effect <= VISIBLE
        if double:
            found = compare(True)
        return Trial(name, found.error, found.effect, double)
    except Exception as error:  # whatever is raised is the finding
        return Trial(name, None, crash=told(error))


def told(error: Exception) -> str:
    """The first line of an error, with its type where it is not one of ours."""
    return first_line(error) if isinstance(error, PrunecError) else f"{type(error).__name__}: {first_line(error)}"
