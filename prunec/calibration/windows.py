"""What a sublayer's bypass does to the stream a little later, and how far one re-fitted projection mends it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from prunec.calibration.projection import output_projection
from prunec.calibration.removal import bounded
from prunec.calibration.ridge import Moments, fit
from prunec.calibration.tokens import Batch, require_finite, sequence_key, sequences, token_rows
from prunec.errors import PassError
from prunec.facts import Structure, Sublayer
from prunec.ir.bypass import bypass
from prunec.ir.execute import evaluate, input_values
from prunec.ir.program import Program

FIT, CHOOSE, MEASURE = range(3)
"""What a sequence is for: to fit the weight, to choose the ridge's strength, or to measure what came of it."""
TURNS = (FIT, FIT, CHOOSE, MEASURE)
"""Sequences take these by turns, in the order of their keys."""
Stream = dict[fx.Node, Tensor]
NONE: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Mending:
    """Mean over tokens of `|y - y'|^2 / |y|^2`, for the stream y of the dense program and y' with a sublayer bypassed.

    It is `WORST` of `prunec.calibration.removal` where y' is not finite.

    Attributes:
        untuned: where nothing else changes.
        tuned: with the next projection re-fitted, on tokens that neither fitted it nor chose the ridge's strength.
        where: name of the sublayer behind which the streams are compared.
        weights: by tensor name, what the projection is re-fitted to; empty where nothing is better than as it was.
    """

    untuned: float
    tuned: float
    where: str
    weights: Mapping[str, Tensor] = field(default_factory=dict)


class Windows:
    """Steps along the sublayers of a program and measures the bypass of each.

    Args:
        program, structure: the dense program and its sublayers.
        batches: the text; its sequences fit, choose and measure, by turns.
        seed: of the order in which sequences take their turns.
        gone: names of the sublayers that are bypassed already.
        weights: by tensor name, what was re-fitted already.

    Attributes:
        sublayers: those that are left.
        present: by sublayer name, the error behind it that is there already, as far as the steps have come.

    Raises:
        PassError: there are fewer sequences than turns.
    """

    def __init__(
        self,
        program: Program,
        structure: Structure,
        batches: Sequence[Batch],
        seed: int,
        gone: Collection[str] = (),
        weights: Mapping[str, Tensor] = NONE,
    ) -> None:
        self.batches, self.turns = batches, turns(batches, seed)
        self.sublayers = tuple(item for item in structure.sublayers if item.name not in gone)
        self.projections = {item.name: output_projection(program, item) for item in self.sublayers}
        bypassed = {item.add: item.skip for item in structure.sublayers if item.name in gone}
        self.dense = self.slim = Trail(program, batches)
        if bypassed or weights:
            self.slim = Trail(bypass(program, bypassed.items()), batches, bypassed, weights)
        self.present: dict[str, float] = {}
        self.number = 0

    def step(self) -> Sublayer:
        """Go to the next of the sublayers.

        Raises:
            PassError: the stream behind it is not finite.
        """
        sublayer = self.sublayers[self.number]
        self.number += 1
        with torch.no_grad():
            self.dense.step(sublayer)
            if self.slim is not self.dense:
                self.slim.step(sublayer)
            self.present[sublayer.name] = self._error_of(sublayer.add, sublayer.add)
        return sublayer

    def mending(self) -> Mending:
        """What the bypass of the sublayer of the last step does."""
        sublayer = self.sublayers[self.number - 1]
        mender = self._mender(sublayer)
        with torch.no_grad():
            if mender is not None:
                return self._mended(sublayer, mender)
            # Nothing can mend it: what is lost at the addition itself counts.
            lost = self._error_of(sublayer.add, sublayer.skip)
            return Mending(lost, lost, sublayer.name)

    def _mender(self, sublayer: Sublayer) -> Sublayer | None:
        """The next feed-forward sublayer whose projection can be re-fitted and that the sublayer's output reaches."""
        reached = {self.dense.node(sublayer.add)}
        for node in self.dense.program.graph.nodes:
            if any(source in reached for source in node.all_input_nodes):
                reached.add(node)
        later = self.sublayers[self.number :]
        able = (item for item in later if item.kind == "ffn" and self.projections[item.name] is not None)
        return next((item for item in able if self.dense.node(item.add) in reached), None)

    def _error_of(self, dense: str, slim: str) -> float:
        """Error of the value called `slim` beside the one called `dense`, both at hand, on the tokens that measure."""
        total, count = 0.0, 0
        for number, (batch, turn) in enumerate(zip(self.batches, self.turns, strict=True)):
            values = self.dense.streams[number][self.dense.node(dense)]
            target = token_rows(values, batch)
            missing = target - token_rows(self.slim.streams[number][self.slim.node(slim)], batch)
            errors = _relative(missing, target)[_tokens_of(values, batch, turn) == MEASURE].double().square()
            total, count = total + float(errors.sum()), count + len(errors)
        return bounded(total / count)

    def _mended(self, sublayer: Sublayer, mender: Sublayer) -> Mending:
        projection, slim = self.projections[mender.name], self.slim
        assert projection is not None
        read, *tensors = (item for item in projection.args if isinstance(item, fx.Node))
        names = [str(item.target) for item in tensors]
        weight = _stacked([slim.tensor(name) for name in names])
        reads, rest, end = slim.node(read.name), slim.node(mender.skip), self.dense.node(mender.add)
        moments = [Moments.zeros(*weight.shape) for _ in (FIT, CHOOSE)]
        measured: list[tuple[Tensor, Tensor]] = []
        for number, (batch, turn) in enumerate(zip(self.batches, self.turns, strict=True)):
            dense = self.dense.run(number, {}, [end])[end]
            # The addition is known as its skip operand: that is the bypass.
            skipped = {slim.node(sublayer.add): slim.streams[number][slim.node(sublayer.skip)]}
            bypassed = slim.run(number, skipped, [reads, rest])
            target, rows = token_rows(dense, batch), token_rows(bypassed[reads], batch)
            if len(weight) > rows.shape[1]:
                rows = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
            missing = target - token_rows(bypassed[rest], batch)
            pairs, purpose = (_relative(rows, target), _relative(missing, target)), _tokens_of(dense, batch, turn)
            for sums, own in zip(moments, (purpose == FIT, purpose == CHOOSE), strict=True):
                sums.add(pairs[0][own], pairs[1][own])
            measured.append((pairs[0][purpose == MEASURE], pairs[1][purpose == MEASURE]))
        fitted = fit(moments[FIT], moments[CHOOSE], weight)
        untuned = _error(measured, weight)
        if fitted is None:
            return Mending(untuned, untuned, mender.name)
        return Mending(untuned, _error(measured, fitted), mender.name, _unstacked(fitted, names, slim))


class Trail:
    """The residual stream of one program, batch by batch, at the sublayer that the steps have come to.

    Args:
        program: dense, or with the sublayers of `bypassed` bypassed: additions by the nodes in their place.
        batches: the text.
        bypassed: see `program`.
        weights: by tensor name, what takes the place of the program's.
    """

    def __init__(
        self,
        program: Program,
        batches: Sequence[Batch],
        bypassed: Mapping[str, str] | None = None,
        weights: Mapping[str, Tensor] = NONE,
    ) -> None:
        self.program, self.batches, self.weights = program, batches, weights
        self.bypassed = bypassed or {}
        self.nodes: dict[str, fx.Node] = {node.name: node for node in program.graph.nodes}
        reads = program.graph.find_nodes(op="get_attr")
        self.known = {node: weights[str(node.target)] for node in reads if node.target in weights}
        self.streams: list[Stream] = [{} for _ in batches]
        self.kept: tuple[fx.Node, ...] = ()

    def node(self, name: str) -> fx.Node:
        """The node called `name` in the dense program, or what stands in its place."""
        while name in self.bypassed:
            name = self.bypassed[name]
        return self.nodes[name]

    def tensor(self, name: str) -> Tensor:
        """The weight called `name`, as it is now."""
        return self.weights[name] if name in self.weights else self.program.tensor(name)

    def step(self, sublayer: Sublayer) -> None:
        """Go on to `sublayer`: its start, its skip operand and its addition are at hand then, and nothing else.

        Raises:
            PassError: the stream behind it is not finite.
        """
        start, skip, add = (self.node(name) for name in (sublayer.start, sublayer.skip, sublayer.add))
        for number, stream in enumerate(self.streams):
            for node in [node for node in stream if node not in self.kept]:
                del stream[node]
            stream.update(self.run(number, {}, [start]))
            stream.update(self.run(number, {}, [skip, add]))
            require_finite(sublayer.name, stream[add])
        self.kept = (start, add)

    def run(self, number: int, known: Mapping[fx.Node, Tensor], wanted: list[fx.Node]) -> Stream:
        """The values of `wanted` for batch `number`, from the stream, `known` in its place."""
        given = input_values(self.program, self.batches[number])
        return evaluate(self.program, {**given, **self.known, **self.streams[number], **known}, wanted)


def turns(batches: Sequence[Batch], seed: int) -> list[Tensor]:
    """What each sequence of each batch is for, `[sequences]`: neither their order nor their batches matter.

    Raises:
        PassError: there are fewer sequences than turns.
    """
    keys = [torch.tensor([sequence_key(row, seed) for row in sequences(batch)]) for batch in batches]
    order = torch.cat(keys).argsort(stable=True)
    if len(order) < len(TURNS):
        raise PassError(
            f"{len(order)} sequences of calibration text cannot fit, choose and measure a repair",
            f"give {len(TURNS)} sequences or more",
        )
    purposes = torch.empty_like(order)
    purposes[order] = torch.tensor(TURNS).repeat(len(order) // len(TURNS) + 1)[: len(order)]
    return list(purposes.split([len(key) for key in keys]))


def _tokens_of(values: Tensor, batch: Batch, turn: Tensor) -> Tensor:
    """What each token of `values` is for, `[tokens]`; the tokens of a sequence lie together."""
    count = values.numel() // values.shape[-1]
    return token_rows(turn.repeat_interleave(count // len(turn))[:, None], batch)[:, 0]


def _relative(values: Tensor, stream: Tensor) -> Tensor:
    """`values` in shares of the size of each token's stream."""
    sizes: Tensor = stream.norm(dim=-1, keepdim=True)
    return values / sizes.clamp(min=torch.finfo(sizes.dtype).eps)


def _error(pairs: Sequence[tuple[Tensor, Tensor]], weight: Tensor) -> float:
    """Mean over tokens of `|y - a W|^2`, from the differences themselves: sums of products would lose small ones."""
    errors = torch.cat([(gap - rows @ weight.to(rows.dtype)).double().square().sum(-1) for rows, gap in pairs])
    return bounded(float(errors.mean()))


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """A projection's weight `[inputs, outputs]`, its bias as one more row where there is one."""
    weight, *bias = (tensor.detach().double() for tensor in tensors)
    stacked: Tensor = torch.cat([weight.T, *(item[None] for item in bias)])
    return stacked


def _unstacked(stacked: Tensor, names: Sequence[str], trail: Trail) -> dict[str, Tensor]:
    """The weight and the bias of `stacked`, by name, of the kind they were."""
    weight, *bias = names
    parts = {weight: stacked[:-1].T if bias else stacked.T} | dict.fromkeys(bias, stacked[-1])
    return {name: part.to(trail.tensor(name).dtype).contiguous() for name, part in parts.items()}
