"""The oracle of a vocabulary: slim, in the new numbers of what is left, gives what dense gives in the old ones."""

from __future__ import annotations

import numpy as np
import torch

from prunec.facts import Family
from prunec.ir.labels import run_flow
from prunec.ir.lookups import rows_left
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.ir.survivors import Survivors
from tests.passes.golden import Comparison, Values, distance, run


def compare_renumbered(program: Program, family: Family, removed: np.ndarray, inputs: Values) -> Comparison:
    """Remove rows of a vocabulary and compare, on inputs that name none of them.

    What is expected is what the dense program returns for the old numbers, without the columns of what goes; the
    effect is how far that is from what it returns for `inputs` themselves.
    """
    flow, cuts = run_flow(program), family.cuts(removed)
    survivors = Survivors(flow, flow.removed(cuts))
    old, new = renumbered(program, survivors, inputs)
    expected = without_columns(program, survivors, run(program, old))
    slim = run(slice_program(program, cuts, flow), new)
    dense = without_columns(program, survivors, run(program, inputs))
    return Comparison(distance(slim, expected), distance(dense, expected))


def renumbered(program: Program, survivors: Survivors, inputs: Values) -> tuple[Values, Values]:
    """Inputs like `inputs` that name only what is left, in the numbers of the dense program and in new ones."""
    old, new = dict(inputs), dict(inputs)
    for name, alive in rows_left(program, survivors).items():
        kept = torch.from_numpy(np.flatnonzero(alive))
        new[name] = inputs[name] % len(kept)
        old[name] = kept[new[name].long()].to(inputs[name].dtype)
    return old, new


def without_columns(program: Program, survivors: Survivors, outputs: Values) -> Values:
    """Outputs without the columns of what goes."""
    left = dict(outputs)
    nodes = program.graph.find_nodes(op="output")[0].args[0]
    for name, node in zip(program.outputs, nodes, strict=True):
        if survivors.touches(node):
            kept = torch.from_numpy(np.flatnonzero(survivors.alive(node, -1)))
            left[name] = outputs[name].index_select(-1, kept)
    return left
