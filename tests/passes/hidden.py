"""The oracle of hidden features: the dense program with zeros in what is removed, and norms of what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.facts import Family
from prunec.ir.labels import LabelFlow, run_flow
from prunec.ir.nodes import arguments, operator
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.ir.survivors import Survivors
from tests.passes.cases import with_tensors
from tests.passes.golden import Comparison, Values, distance, run

aten = torch.ops.aten


def compare_left_out(program: Program, family: Family, removed: np.ndarray, inputs: Values) -> Comparison:
    """Remove features and compare with the dense program that leaves them out."""
    oracle = expected(program, family, removed, inputs)
    slim = run(slice_program(program, family.cuts(removed)), inputs)
    return Comparison(distance(slim, oracle), distance(run(program, inputs), oracle))


def zeroed(program: Program, family: Family, removed: np.ndarray) -> Program:
    """The program with zero wherever a removed feature is written or read."""
    tensors = {name: tensor.clone() for name, tensor in program.tensors().items()}
    for (name, dim), indices in family.cuts(removed).items():
        tensors[name].detach().index_fill_(dim, torch.from_numpy(indices), 0.0)
    return with_tensors(program, tensors)


class Oracle(fx.Interpreter):
    """Runs a program with zeros in what is removed, also in what means run over; what survives is normalised alone."""

    def __init__(self, program: Program, survivors: Survivors) -> None:
        super().__init__(program.module)
        self._left = {}
        for node in program.graph.nodes:
            if operator(node) in (aten.layer_norm, aten.mean):
                self._left[node.name] = torch.from_numpy(survivors.alive(node.args[0], -1))

    def run_node(self, n: fx.Node) -> Any:
        alive = self._left.get(n.name)
        if alive is None or bool(alive.all()):
            return super().run_node(n)
        call: Any = n.target
        source, *rest = (self.env[item] if isinstance(item, fx.Node) else item for item in arguments(n))
        if operator(n) is aten.mean:
            return call(source * alive, *rest[:2])
        left = alive.nonzero().squeeze(-1)
        own = [item.index_select(0, left) if isinstance(item, Tensor) else item for item in rest[1:]]
        kept = call(source.index_select(-1, left), [len(left)], *own)
        return torch.zeros_like(source).index_copy(-1, left, kept)


def expected(program: Program, family: Family, removed: np.ndarray, inputs: Values) -> Values:
    """The outputs of the dense program with features left out."""
    flow: LabelFlow = run_flow(program)
    blank = zeroed(program, family, removed)
    survivors = Survivors(run_flow(blank), flow.removed(family.cuts(removed)))
    torch.manual_seed(0)  # as `run` does
    with torch.no_grad():
        outputs = Oracle(blank, survivors).run(*(inputs[item.name] for item in program.inputs))
    return dict(zip(program.outputs, outputs, strict=True))
