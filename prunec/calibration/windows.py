"""What a sublayer's bypass does to the stream a little later, and how far one re-fitted projection mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.projection import output_projection
from prunec.calibration.ridge import Moments, fit
from prunec.calibration.tokens import Batch, require_finite, sequence_key, sequences, token_rows
from prunec.errors import PassError
from prunec.facts import Structure, Sublayer
from prunec.ir.execute import evaluate, input_values
from prunec.ir.program import Program

FIT, CHOOSE, MEASURE = range(3)
"""What a sequence is for: to fit the weight, to choose the ridge's strength, or to measure what came of it."""
TURNS = (FIT, FIT, CHOOSE, MEASURE)
"""Sequences take these by turns, in the order of their keys."""
Stream = dict[fx.Node, Tensor]


@dataclass(frozen=True)
class Mending:
    """Mean over tokens of `|y - y'|^2 / |y|^2`, for the stream y of the dense program and y' with a sublayer bypassed.

    Attributes:
        untuned: where nothing else changes.
        tuned: with the next projection re-fitted, on tokens that neither fitted it nor chose the ridge's strength.
    """

    untuned: float
    tuned: float


class Windows:
    """Steps along the sublayers of a dense program and measures the bypass of each.

    Args:
        program, structure: the dense program and its sublayers.
        batches: the text; its sequences fit, choose and measure, by turns.
        seed: of the order in which sequences take their turns.

    Raises:
        PassError: there are fewer sequences than turns.
    """

    def __init__(self, program: Program, structure: Structure, batches: Sequence[Batch], seed: int) -> None:
        self.program, self.structure, self.batches = program, structure, batches
        self.nodes = {node.name: node for node in program.graph.nodes}
        self.streams: list[Stream] = [{} for _ in batches]
        self.turns = turns(batches, seed)
        self.projections = {item.name: output_projection(program, item) for item in structure.sublayers}

    def step(self, index: int) -> Mending:
        """Go to sublayer `index`, which is the one after that of the last step, and measure its bypass.

        Raises:
            PassError: the stream behind it is not finite.
        """
        with torch.no_grad():
            return self._step(index)

    def _step(self, index: int) -> Mending:
        sublayer = self.structure.sublayers[index]
        start, skip, add = (self.nodes[name] for name in (sublayer.start, sublayer.skip, sublayer.add))
        for stream, batch in zip(self.streams, self.batches, strict=True):
            stream.update(self._run(batch, stream, [start]))
            stream.update(self._run(batch, stream, [skip, add]))
            require_finite(sublayer.name, stream[add])
        mender = self._mender(index)
        mending = self._unmended(skip, add) if mender is None else self._mended(skip, add, mender)
        for stream in self.streams:
            for node in stream.keys() - {start, add}:
                del stream[node]
        return mending

    def _mender(self, index: int) -> Sublayer | None:
        """The next feed-forward sublayer whose projection can be re-fitted and that the sublayer's output reaches."""
        reached = {self.nodes[self.structure.sublayers[index].add]}
        for node in self.program.graph.nodes:
            if any(source in reached for source in node.all_input_nodes):
                reached.add(node)
        later = self.structure.sublayers[index + 1 :]
        able = (item for item in later if item.kind == "ffn" and self.projections[item.name] is not None)
        return next((item for item in able if self.nodes[item.add] in reached), None)

    def _unmended(self, skip: fx.Node, add: fx.Node) -> Mending:
        """Nothing can mend it: what is lost at the addition itself, on the tokens that measure."""
        total, count = 0.0, 0
        for stream, batch, turn in zip(self.streams, self.batches, self.turns, strict=True):
            dense, bypassed = (token_rows(stream[node], batch) for node in (add, skip))
            chosen = _tokens_of(stream[add], batch, turn) == MEASURE
            errors = _relative(dense - bypassed, dense)[chosen].double().square()
            total, count = total + float(errors.sum()), count + len(errors)
        return Mending(total / count, total / count)

    def _mended(self, skip: fx.Node, add: fx.Node, mender: Sublayer) -> Mending:
        projection, rest, end = self.projections[mender.name], self.nodes[mender.skip], self.nodes[mender.add]
        assert projection is not None
        weight = _stacked(self.program, projection)
        reads: Any = projection.args[0]
        moments = [Moments.zeros(*weight.shape) for _ in (FIT, CHOOSE)]
        measured: list[tuple[Tensor, Tensor]] = []
        for stream, batch, turn in zip(self.streams, self.batches, self.turns, strict=True):
            dense = self._run(batch, stream, [end])[end]
            # The addition is known as its skip operand: that is the bypass.
            bypassed = self._run(batch, {**stream, add: stream[skip]}, [reads, rest])
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
        return Mending(untuned, untuned if fitted is None else _error(measured, fitted))

    def _run(self, batch: Batch, known: Mapping[fx.Node, Tensor], wanted: list[fx.Node]) -> Stream:
        return evaluate(self.program, input_values(self.program, batch) | dict(known), wanted)


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
    return float(errors.mean())


def _stacked(program: Program, projection: fx.Node) -> Tensor:
    """The projection's weight `[inputs, outputs]`, its bias as one more row where it has one."""
    parts: list[Any] = [item for item in projection.args[1:] if isinstance(item, fx.Node)]
    weight, *bias = (program.tensor(str(part.target)).detach().double() for part in parts)
    stacked: Tensor = torch.cat([weight.T, *(item[None] for item in bias)])
    return stacked
