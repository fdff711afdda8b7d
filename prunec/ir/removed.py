"""What is gone from a dense program, by the names of its tensors and branches: enough to build the slim one again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import fx, nn

from prunec.errors import PassError
from prunec.ir.branches import find_branches, name_branches
from prunec.ir.bypass import bypass
from prunec.ir.labels import run_flow
from prunec.ir.nodes import read
from prunec.ir.program import Program, build_module
from prunec.ir.slicing import slice_program

aten = torch.ops.aten
Cuts = dict[tuple[str, int], np.ndarray]


@dataclass(frozen=True)
class Removed:
    """What went from a dense program. Nothing in it depends on how the program was traced.

    Attributes:
        cuts: (tensor name, dim) to the indices that went, ascending; of tensors that are still there alone.
        sublayers: names of the residual branches that were bypassed.
        biases: names of the biases that repair gave to products without one, by the name of the weight.
    """

    cuts: Mapping[tuple[str, int], np.ndarray] = field(default_factory=dict)
    sublayers: tuple[str, ...] = ()
    biases: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.cuts or self.sublayers or self.biases)

    @staticmethod
    def between(dense: Program, slim: Program, cuts: Cuts, sublayers: tuple[str, ...]) -> Removed:
        """What makes `slim` of `dense`, of which `cuts` and `sublayers` went.

        Raises:
            PassError: `slim` reads a tensor that `dense` lacks and that is no bias.
        """
        names = set(slim.tensor_names())
        biases = {}
        for name in sorted(names - set(dense.tensor_names())):
            (reader,) = next(node for node in slim.graph.nodes if node.op == "get_attr" and node.target == name).users
            if reader.target is not aten.linear.default:
                raise PassError(f"{name} is new, and no bias", "leave out the pass that adds it")
            biases[str(read(reader, 1).target)] = name
        return Removed(cuts, sublayers, biases).within(names)

    def then(self, later: Removed) -> Removed:
        """This, and from what it leaves `later`, whose indices count what is left."""
        cuts = dict(self.cuts)
        for key, indices in later.cuts.items():
            before = cuts.get(key)
            if before is not None:
                left = np.setdiff1d(np.arange(int(indices.max(initial=-1)) + 1 + len(before)), before)
                indices = np.union1d(before, left[indices])
            cuts[key] = indices
        return Removed(cuts, (*self.sublayers, *later.sublayers), {**self.biases, **later.biases})

    def within(self, names: Collection[str]) -> Removed:
        """The same, without what is about tensors other than `names`: those of a slim program."""
        cuts = {key: indices for key, indices in self.cuts.items() if key[0] in names}
        biases = {weight: name for weight, name in self.biases.items() if weight in names}
        return Removed(cuts, self.sublayers, biases)

    def carried_out(self, dense: Program) -> Program:
        """`dense` without what is gone. Tensors are sliced; new biases have no numbers yet (device meta).

        Raises:
            PassError: `dense` has no such tensor, index or branch, or the cuts are no whole units of it.
        """
        slim = dense
        if self.sublayers:
            flow = run_flow(dense)
            branches = name_branches(find_branches(dense, flow), flow)
            unknown = next((name for name in self.sublayers if name not in branches), None)
            if unknown is not None:
                raise _misfit(f"the model has no sublayer {unknown}")
            slim = bypass(dense, [(branches[name].add.name, branches[name].skip.name) for name in self.sublayers])
        present = slim.tensors()
        for (name, dim), indices in self.cuts.items():
            size = present[name].shape[dim] if name in present and dim < present[name].dim() else 0
            if not len(indices) or indices[0] < 0 or indices[-1] >= size:
                raise _misfit(f"the model has no place {indices[-1:].tolist()} along axis {dim} of {name}")
        slim = slice_program(slim, dict(self.cuts)) if self.cuts else slim
        return _with_biases(slim, self.biases) if self.biases else slim


def _misfit(what: str) -> PassError:
    return PassError(what, "the removal is of another model")


def _with_biases(program: Program, biases: Mapping[str, str]) -> Program:
    """`program` with a bias, without numbers, added to each product with one of the weights."""
    graph, tensors = fx.Graph(), program.tensors()
    copies: dict[fx.Node, fx.Node] = {}
    for node in program.graph.nodes:
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        weight = node.args[1] if node.target is aten.linear.default else None
        name = biases.get(str(weight.target)) if isinstance(weight, fx.Node) and weight.op == "get_attr" else None
        if name is not None:
            size = tensors[str(read(node, 1).target)].shape[0]
            tensors[name] = nn.Parameter(torch.empty(size, device="meta"), requires_grad=False)
            with graph.inserting_before(copy):
                copy.args = (*copy.args[:2], graph.get_attr(name))
    missing = set(biases.values()) - tensors.keys()
    if missing:
        raise _misfit(f"the model has no product that takes {min(missing)}")
    return program.with_module(build_module(graph, tensors))
