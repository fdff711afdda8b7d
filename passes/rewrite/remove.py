"""`remove`: carries out a plan physically, and proves it against the masked dense program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.masked import masked_program, plan_masks
from prunec.errors import VerificationError
from prunec.facts import Equivalence, Plan, Structure
from prunec.ir.bypass import bypass
from prunec.ir.past import handed_on
from prunec.ir.precision import in_double
from prunec.ir.program import Program
from prunec.ir.sizes import other_sizes
from prunec.ir.slicing import slice_program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class RemovePass(Pass):
    """Bypass the plan's sublayers, slice its units out of the tensors, adapt the graph, drop dead code.

    The result must equal the program with the same units masked; if it does not, the compile stops.

    Attributes:
        tolerance: largest output difference allowed, relative to the largest dense output (at least 1).
    """

    name: ClassVar[str] = "remove"
    needs: ClassVar[tuple[type, ...]] = (Structure, Plan)
    gives: ClassVar[tuple[type, ...]] = (Equivalence,)
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (object,)

    tolerance: float = 1e-4

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the slim program and how closely it follows the masked one."""
        structure, plan = facts[Structure], facts[Plan]
        if plan.is_empty():
            return PassResult(program, (Equivalence(0.0, self.tolerance),), "the plan removes nothing")
        slim = slim_program(program, structure, plan)
        error = _difference(program, slim, structure, plan)
        if error > self.tolerance:  # with little left, rounding alone can come to that
            error = _difference(in_double(program), in_double(slim), structure, plan)
        if not error <= self.tolerance:
            raise VerificationError(
                f"the slim program differs from the masked dense one by {error:.2g} (allowed: {self.tolerance:g})",
                "this is a fault of prunec: please report the model and the pipeline",
            )
        before, after = program.parameter_count(), slim.parameter_count()
        log = f"{before:,} to {after:,} parameters; differs from the masked dense program by {error:.1e}"
        return PassResult(slim, (Equivalence(error, self.tolerance),), log)


def slim_program(program: Program, structure: Structure, plan: Plan) -> Program:
    """`program` without what `plan` removes."""
    slim = bypass(program, [(item.add, item.skip) for item in structure.sublayers if item.name in plan.sublayers])
    present = set(slim.tensor_names())
    cuts = {key: indices for key, indices in plan.cuts(structure).items() if key[0] in present}
    return slice_program(slim, cuts) if cuts else slim


def _difference(program: Program, slim: Program, structure: Structure, plan: Plan) -> float:
    """Largest output difference, on other sizes than were traced where the program takes them.

    Caches that are handed on have other shapes in the two: the outputs of a further step, from them, tell.
    """
    inputs, handed = other_sizes(program), {pair.present for pair in program.caches}
    steps = [_prompt(program, inputs), inputs] if program.caches else [inputs]
    masked, masks = masked_program(program, structure), plan_masks(structure, plan)
    errors, expected, ours = list[float](), dict[str, Tensor](), dict[str, Tensor]()
    with torch.no_grad():
        for step in steps:
            expected = masked({**step, **handed_on(program, expected), **masks})
            ours = slim({**step, **handed_on(slim, ours)})
            scale = max(1.0, *(float(value.abs().max()) for value in expected.values()))
            errors += [float((ours[name] - expected[name]).abs().max()) / scale for name in {*expected} - handed]
    return float(np.max(errors))  # of NaN and a number it is NaN, unlike Python's own


def _prompt(program: Program, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What comes before `inputs`: as many tokens as are past there, of their own again."""
    past = inputs[program.caches[0].past].shape[2]
    prompt = {item.name: inputs[item.name] for item in program.asked}
    for item in program.asked:
        for axis in (axis for axis, name in item.axes.items() if name != "batch"):
            size = prompt[item.name].shape[axis]
            prompt[item.name] = prompt[item.name].index_select(axis, torch.arange(past) % size)
    return prompt
