"""The golden rule, as tests apply it: the slim program equals the masked dense one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor

from prunec.calibration.masked import masked_program, plan_masks
from prunec.facts import Family, Plan, Structure
from prunec.ir.precision import doubles, in_double
from prunec.ir.program import Program
from prunec.passes.rewrite.remove import slim_program

TOLERANCE = 1e-4
VISIBLE = 1e-5
"""Least effect of a plan, over the largest output, that shows that something was masked."""

Values = Mapping[str, Tensor]


def random_plan(structure: Structure, seed: int, *, sublayers: bool = True) -> Plan:
    """Any number of units of every family, and each sublayer with a chance of one in five."""
    draw = random.Random(seed)
    units = {item.name: draw.sample(range(item.units), draw.randrange(item.spare + 1)) for item in structure.families}
    dropped = tuple(item.name for item in structure.sublayers if sublayers and draw.random() < 0.2)
    return Plan({name: tuple(sorted(removed)) for name, removed in units.items()}, dropped)


def all_but_one(structure: Structure, seed: int) -> Plan:
    """Of every family a single unit stays, or as few as can."""
    draw = random.Random(seed)
    kept = {item.name: draw.sample(range(item.units), item.least) for item in structure.families}
    units = {item.name: tuple(i for i in range(item.units) if i not in kept[item.name]) for item in structure.families}
    return Plan(units)


def no_sublayers(structure: Structure) -> Plan:
    """Every sublayer goes."""
    return Plan({}, tuple(item.name for item in structure.sublayers))


def alone(family: Family) -> Iterator[Plan]:
    """Some units of one family, and all but one of it (or as many as can go); which, follows from its name."""
    draw = random.Random(crc32(family.name.encode()))
    for removed in sorted({draw.randrange(1, family.spare + 1), family.spare}) if family.spare else ():
        yield Plan({family.name: tuple(sorted(draw.sample(range(family.units), removed)))})


@dataclass(frozen=True)
class Comparison:
    """What one plan showed, over the largest output of the masked program.

    Attributes:
        error: largest difference of the slim program from the masked one.
        effect: largest difference of the masked program from the dense one.
    """

    error: float
    effect: float


@dataclass(frozen=True)
class Oracle:
    """A program on some inputs, with masks: what each plan's slim program must equal."""

    program: Program
    structure: Structure
    inputs: Values
    masked: Program
    dense: Values

    @staticmethod
    def of(program: Program, structure: Structure, inputs: Values) -> Oracle:
        """The oracle of `program` on `inputs`."""
        return Oracle(program, structure, inputs, masked_program(program, structure), run(program, inputs))

    def in_double(self) -> Oracle:
        """The same in float64, where rounding is no excuse."""
        return Oracle.of(in_double(self.program), self.structure, doubles(self.inputs))

    def expected(self, plan: Plan) -> Values:
        """The outputs with what `plan` removes masked."""
        return run(self.masked, {**self.inputs, **plan_masks(self.structure, plan)})

    def compare(self, plan: Plan) -> Comparison:
        """Carry out `plan` and compare."""
        expected = self.expected(plan)
        ours = run(slim_program(self.program, self.structure, plan), self.inputs)
        return Comparison(distance(ours, expected), distance(self.dense, expected))


def deviation(program: Program, structure: Structure, plan: Plan, inputs: Values) -> float:
    """Largest output difference of the slim program from the masked one, over the largest masked output.

    The plan must show: an unmasked program that gave the same would prove nothing.
    """
    found = Oracle.of(program, structure, inputs).compare(plan)
    assert plan.is_empty() or found.effect > VISIBLE
    return found.error


def run(program: Program, inputs: Values, seed: int = 0) -> Values:
    """The outputs; programs that draw random numbers draw the same ones each time."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return program(inputs)


def distance(ours: Values, theirs: Values) -> float:
    """Largest difference of an output, over the largest finite value of `theirs`.

    Equal infinities, and two that are no numbers, differ by nothing; a number and no number by infinity.
    """
    pairs = [(ours[name].double(), value.double()) for name, value in theirs.items()]
    assert all(one.shape == other.shape for one, other in pairs)
    return _largest(_differences(one, other) for one, other in pairs) / max(
        _largest(torch.where(other.isfinite(), other, 0.0) for _, other in pairs), 1e-30
    )


def _differences(one: Tensor, other: Tensor) -> Tensor:
    same = (one == other) | (one.isnan() & other.isnan())
    return torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=torch.inf)


def _largest(values: Iterable[Tensor]) -> float:
    return max((float(value.abs().max()) for value in values if value.numel()), default=0.0)
