"""The walk along the residual stream: dense and slim side by side, one sublayer at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.projection import Projection, projection_of
from prunec.calibration.ridge import Moments, fit
from prunec.calibration.tokens import Batch, token_rows
from prunec.facts import Plan, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values
from prunec.ir.program import Program, build_module
from prunec.passbase import Progress

from .rescale import LIMIT, factors, members

HELD_OUT = 4
"""Every fourth batch chooses the ridge strength and does not fit."""


class Walk:
    """Re-fits a slim program against the dense one.

    Args:
        dense: the program before removal.
        slim: the program after removal; node names are those of `dense`.
        structure, plan: what was found and what went.
        batches: the scoring text, `HELD_OUT` of them or more.
        progress: one item a sublayer.
        merged: by name, the weights that `merge` puts in.
    """

    def __init__(
        self,
        dense: Program,
        slim: Program,
        structure: Structure,
        plan: Plan,
        batches: list[Batch],
        progress: Progress,
        merged: Mapping[str, Tensor],
    ) -> None:
        self.dense, self.slim = dense, slim
        self.structure, self.plan = structure, plan
        self.batches, self.progress, self.merged = batches, progress, merged
        self.tensors = dict(slim.tensors())
        self.added: dict[str, str] = {}
        self.missing: dict[str, tuple[float, float]] = {}
        self.stopped = False
        self.dense_nodes = {node.name: node for node in dense.graph.nodes}
        self.slim_nodes = {node.name: node for node in slim.graph.nodes}
        self.moved = {item.add: item.skip for item in structure.sublayers if item.name in plan.sublayers}

    def run(self, method: str) -> list[str]:
        """Walk once; the names of the sublayers whose projection changed."""
        fitted: list[str] = []
        dense: list[dict[fx.Node, Tensor]] = [{} for _ in self.batches]
        slim: list[dict[fx.Node, Tensor]] = [{} for _ in self.batches]
        with torch.no_grad():
            for index, sublayer in enumerate(self.structure.sublayers):
                nodes = [self.dense_nodes[name] for name in (sublayer.start, sublayer.skip, sublayer.add)]
                for stream, batch in zip(dense, self.batches, strict=True):
                    stream.update(self._advance(self.dense, stream, batch, nodes[:1]))
                    stream.update(self._advance(self.dense, stream, batch, nodes[1:]))
                    _forget(stream, (nodes[0], nodes[2]))
                if sublayer.add not in self.moved and self._refit(sublayer, method, dense, slim):
                    fitted.append(sublayer.name)
                self.progress.item("re-fitting projections", index + 1, len(self.structure.sublayers))
                if self.stopped:
                    break
        return fitted

    def repaired(self) -> Program:
        """The slim program with its new tensors."""
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        for node in self.slim.graph.nodes:
            copy = copies[node] = graph.node_copy(node, copies.__getitem__)
            if node.name in self.added:
                with graph.inserting_before(copy):
                    copy.args = (*copy.args[:2], graph.get_attr(self.added[node.name]))
        return self.slim.with_module(build_module(graph, self.tensors))

    def _refit(
        self, sublayer: Sublayer, method: str, dense: list[dict[fx.Node, Tensor]], slim: list[dict[fx.Node, Tensor]]
    ) -> bool:
        """Bring the slim stream to `sublayer`, re-fit its projection if that helps, and step over it."""
        start, skip = (self.slim_nodes[self._still_there(name)] for name in (sublayer.start, sublayer.skip))
        add = self.slim_nodes[sublayer.add]
        projection = projection_of(self.slim, sublayer)
        wanted = [add] if projection is None else [projection.linear.args[0], projection.branch]
        inside: list[dict[fx.Node, Tensor]] = []
        for stream, batch in zip(slim, self.batches, strict=True):
            stream.update(self._advance(self.slim, stream, batch, [start]))
            stream.update(self._advance(self.slim, stream, batch, [skip]))
            inside.append(self._advance(self.slim, stream, batch, wanted))  # type: ignore[arg-type]
        changed = False
        for stream, values in zip(slim, inside, strict=True):
            values[skip] = stream[skip]
        if projection is not None:
            targets = [stream[self.dense_nodes[sublayer.add]] for stream in dense]
            missing = [target - values[skip] for target, values in zip(targets, inside, strict=True)]
            before = self._missing(projection, inside, missing)
            changed = self._fit_projection(projection, inside, missing, method)
            if changed and before is not None:
                self.missing[sublayer.name] = before, self._missing(projection, inside, missing) or 0.0
        for stream, values in zip(slim, inside, strict=True):
            stream[add] = values[add] if projection is None else values[skip] + values[projection.branch]
            _forget(stream, (start, add))
        return changed

    def _fit_projection(
        self,
        projection: Projection,
        inside: list[dict[fx.Node, Tensor]],
        missing: Sequence[Tensor],
        method: str,
    ) -> bool:
        """Fit weight or bias; `inside[i][projection.branch]` becomes the new output."""
        inputs: tuple[Any, ...] = projection.linear.args
        activation = inputs[0]
        weight = projection.multiplied(self.tensors[inputs[1].target], self.tensors)
        rows = [token_rows(values[activation], batch) for values, batch in zip(inside, self.batches, strict=True)]
        gaps = [token_rows(gap, batch) for gap, batch in zip(missing, self.batches, strict=True)]
        outputs = [
            token_rows(values[projection.branch], batch) for values, batch in zip(inside, self.batches, strict=True)
        ]
        if method == "bias":
            return self._shift(projection, inside, gaps, outputs)
        if method == "merge":
            return self._merge(projection, inside, gaps, outputs)
        if method == "rescale":
            return self._rescale(projection, inside, rows, [gap - out for gap, out in zip(gaps, outputs, strict=True)])
        has_bias = len(inputs) > 2 and inputs[2]
        bias = projection.multiplied(self.tensors[inputs[2].target], self.tensors) if has_bias else None
        old = (
            weight.detach().double().T if bias is None else torch.cat([weight.detach().T, bias.detach()[None]]).double()
        )
        halves = _halves([_with_ones(row, bias) for row in rows], gaps)
        new = fit(*halves, old)
        if new is None:
            return False
        self._store(projection, inputs[1].target, new[: weight.shape[1]].T)
        if bias is not None:
            self._store(projection, inputs[2].target, new[-1])
        for values in inside:
            values[projection.branch] = _with_ones(values[activation], bias) @ new.to(weight.dtype)
        return True

    def _missing(
        self, projection: Projection, inside: list[dict[fx.Node, Tensor]], missing: Sequence[Tensor]
    ) -> float | None:
        """The share of what is missing that the projection does not give, held out; None where nothing is."""
        held_out = slice(HELD_OUT - 1, None, HELD_OUT)
        error = size = 0.0
        for gap, values, batch in zip(missing[held_out], inside[held_out], self.batches[held_out], strict=True):
            wanted, given = (token_rows(item, batch).double() for item in (gap, values[projection.branch]))
            error += float((wanted - given).square().sum())
            size += float(wanted.square().sum())
        return error / size if size else None

    def _merge(
        self, projection: Projection, inside: list[dict[fx.Node, Tensor]], gaps: list[Tensor], outputs: list[Tensor]
    ) -> bool:
        """Put the merged weight in if it does better on held-out tokens, and shift by the mean of what it misses."""
        inputs: tuple[Any, ...] = projection.linear.args
        activation, name = inputs[0], inputs[1].target
        if name not in self.merged:
            return False
        old, wanted = (projection.multiplied(item, self.tensors) for item in (self.tensors[name], self.merged[name]))
        change = (wanted - old).to(old.dtype).T
        changed = [values[projection.branch] + values[activation] @ change for values in inside]
        after = [token_rows(output, batch) for output, batch in zip(changed, self.batches, strict=True)]
        if _held_out_error(gaps, after) >= _held_out_error(gaps, outputs):
            return False
        self._store(projection, name, wanted)
        for values, output in zip(inside, changed, strict=True):
            values[projection.branch] = output
        self._shift(projection, inside, gaps, after)
        return True

    def _rescale(
        self, projection: Projection, inside: list[dict[fx.Node, Tensor]], rows: list[Tensor], missing: list[Tensor]
    ) -> bool:
        """Scale the columns of each unit that is read, if that helps on held-out tokens."""
        inputs: tuple[Any, ...] = projection.linear.args
        activation, name = inputs[0], inputs[1].target
        units = members(self.structure, self.plan, projection.linear.name)
        if units is None:
            return False
        weight = projection.multiplied(self.tensors[name].detach(), self.tensors)
        scales = factors(*_halves(rows, missing), weight.double().T, units)
        self.stopped = scales is not None and bool(scales.abs().max() > LIMIT)
        if scales is None or self.stopped:
            return False
        change = (weight * (scales - 1)).to(weight.dtype)
        self._store(projection, name, weight + change)
        for values in inside:
            values[projection.branch] = values[projection.branch] + values[activation] @ change.T
        return True

    def _shift(
        self, projection: Projection, inside: list[dict[fx.Node, Tensor]], gaps: list[Tensor], outputs: list[Tensor]
    ) -> bool:
        differences = [gap - output for gap, output in zip(gaps, outputs, strict=True)]
        held_out = torch.cat(differences[HELD_OUT - 1 :: HELD_OUT])
        shift = torch.cat([item for index, item in enumerate(differences) if index % HELD_OUT != HELD_OUT - 1]).mean(0)
        if (held_out - shift).square().sum() >= held_out.square().sum():
            return False
        inputs: tuple[Any, ...] = projection.linear.args
        old = inputs[2] if len(inputs) > 2 else None
        name = str(old.target) if isinstance(old, fx.Node) else str(inputs[1].target).removesuffix("weight") + "bias"
        if isinstance(old, fx.Node):
            self._store(projection, name, projection.multiplied(self.tensors[name], self.tensors) + shift)
        else:
            new = projection.divided(shift, torch.zeros_like(shift), self.tensors)
            self.tensors[name] = torch.nn.Parameter(new.clone(), requires_grad=False)
            self.added[projection.linear.name] = name
        for values in inside:
            values[projection.branch] = values[projection.branch] + shift
        return True

    def _store(self, projection: Projection, name: str, values: Tensor) -> None:
        """Put in the weight or bias that the branch has as `values`."""
        old = self.tensors[name]
        new = projection.divided(values, old, self.tensors).to(old.dtype)
        self.tensors[name] = torch.nn.Parameter(new.contiguous(), requires_grad=False)

    def _still_there(self, name: str) -> str:
        while name in self.moved:
            name = self.moved[name]
        return name

    @staticmethod
    def _advance(
        program: Program, known: Mapping[fx.Node, Tensor], batch: Batch, wanted: list[fx.Node]
    ) -> dict[fx.Node, Tensor]:
        return evaluate(program, input_values(program, batch) | dict(known), wanted)


def parted(batches: Sequence[Batch], program: Program) -> list[Batch]:
    """`batches`, in parts where they are fewer than `HELD_OUT` and `program` takes any number of rows.

    There are at least so many then, unless there are fewer rows.
    """
    rows = [len(next(iter(batch.values()))) for batch in batches]
    leading = {item.axes.get(0) for item in program.inputs}
    if len(batches) >= HELD_OUT or len(leading) > 1 or None in leading:
        return list(batches)
    size = max(1, sum(rows) // HELD_OUT)
    return [
        {name: value[first : first + size] for name, value in batch.items()}
        for batch, count in zip(batches, rows, strict=True)
        for first in range(0, count, size)
    ]


def _forget(stream: dict[fx.Node, Tensor], keep: tuple[fx.Node, ...]) -> None:
    for node in [node for node in stream if node not in keep]:
        del stream[node]


def _halves(rows: Sequence[Tensor], targets: Sequence[Tensor]) -> tuple[Moments, Moments]:
    """Sums over the batches that fit, and over those that do not: `rows` `[tokens, inputs]`, `targets` by outputs."""
    fitting, held_out = (Moments.zeros(rows[0].shape[1], targets[0].shape[1]) for _ in range(2))
    for index, (row, target) in enumerate(zip(rows, targets, strict=True)):
        (held_out if index % HELD_OUT == HELD_OUT - 1 else fitting).add(row, target)
    return fitting, held_out


def _held_out_error(gaps: list[Tensor], outputs: list[Tensor]) -> float:
    """Squared error on the batches that do not fit."""
    pairs = list(zip(gaps, outputs, strict=True))[HELD_OUT - 1 :: HELD_OUT]
    return sum(float((gap - output).double().square().sum()) for gap, output in pairs)


def _with_ones(values: Tensor, bias: Tensor | None) -> Tensor:
    return values if bias is None else torch.cat([values, values.new_ones(*values.shape[:-1], 1)], dim=-1)
