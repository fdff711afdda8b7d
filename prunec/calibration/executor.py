"""The one pass over the calibration stream that feeds every statistic that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.calibration.masked import masked_program, open_masks
from prunec.calibration.objective import Objective
from prunec.calibration.statistics import AnyStatistic, Statistic
from prunec.calibration.streams import StreamStatistic
from prunec.calibration.tokens import Batch, require_finite, sequence_key, sequences, token_rows, without_padding
from prunec.facts import Family, Site, Structure, Sublayer
from prunec.ir.execute import Override, evaluate, input_values, output_nodes
from prunec.ir.program import Program
from prunec.passbase import Progress

Args = tuple[Any, ...]


def collect(
    program: Program,
    structure: Structure,
    batches: Sequence[Batch],
    statistics: Iterable[AnyStatistic],
    objective: Objective,
    *,
    seed: int,
    progress: Progress,
    ema: float | None = None,
) -> None:
    """Stream `batches` through the program once and feed every statistic.

    Activations are those that each family's site reads, `[tokens, features]`, padding left out.
    Gradients are taken one sequence at a time, since a mean over sequences hides what differs
    between them. Nothing is kept but the statistics' own sums, and neither the order of the stream
    nor how it is batched changes them. With `ema`, each sequence makes all before it count `ema` times
    as much: a moving average, to which order matters, and batching does not.

    Raises:
        PassError: an activation is not finite; the family is named.
    """
    every = list(statistics)
    of_units = [item for item in every if isinstance(item, Statistic)]
    stream = _Stream(
        masked_program(program, structure),
        structure,
        [item for item in of_units if not item.wants_gradients],
        [item for item in of_units if item.wants_gradients],
        [item for item in every if isinstance(item, StreamStatistic)],
        objective,
        seed,
    )
    alone = stream.learners or ema is not None
    rows = [row for batch in batches for row in sequences(batch)] if alone else batches
    for index, batch in enumerate(rows):
        if ema is not None:
            for statistic in every:
                statistic.fade(ema)
        stream.feed(batch)
        progress.item("calibrating", index + 1, len(rows))


@dataclass(frozen=True)
class _Stream:
    """The masked program and who reads it.

    `readers` want activations, `learners` mask gradients, `watchers` the residual stream.
    """

    masked: Program
    structure: Structure
    readers: Sequence[Statistic]
    learners: Sequence[Statistic]
    watchers: Sequence[StreamStatistic]
    objective: Objective
    seed: int

    def feed(self, batch: Batch) -> None:
        """Run one batch; with learners, one sequence."""
        learning = bool(self.learners)
        masks = {name: mask.requires_grad_(learning) for name, mask in open_masks(self.structure).items()}
        known, wanted = input_values(self.masked, {**batch, **masks}), output_nodes(self.masked)
        with torch.set_grad_enabled(learning):
            values = evaluate(self.masked, known, wanted, before_call=self._reader(batch))
        if learning:
            outputs = dict(zip(self.masked.outputs, (values[node] for node in wanted), strict=True))
            self._learn(outputs, batch, masks)

    def _reader(self, batch: Batch) -> Override:
        sites: dict[str, list[tuple[Family, Site]]] = {}
        for family in self.structure.families if self.readers else ():
            for site in family.sites:
                sites.setdefault(site.node, []).append((family, site))
        additions = {item.add: item for item in self.structure.sublayers} if self.watchers else {}
        keyed = any(statistic.wants_keys for statistic in self.readers)

        def read(node: fx.Node, args: Args, kwargs: dict[str, Any]) -> tuple[Args, dict[str, Any]]:
            for family, site in sites.get(node.name, ()):
                values = without_padding(site.rows(args[site.argument].detach()), batch)
                require_finite(family.name, values)
                keys = _keys(batch, len(values), self.seed) if keyed else None
                for statistic in self.readers:
                    statistic.update(family, values, site, keys)
            if node.name in additions:
                self._watch(additions[node.name], node, args, batch)
            return args, kwargs

        return read

    def _watch(self, sublayer: Sublayer, node: fx.Node, args: Args, batch: Batch) -> None:
        """Show the watchers the stream before and after the addition `node`, which is about to be called."""
        skip = next(
            value for source, value in zip(node.args, args, strict=True) if getattr(source, "name", "") == sublayer.skip
        )
        before = token_rows(skip.detach(), batch)
        after = token_rows((args[0] + args[1]).detach(), batch)
        require_finite(sublayer.name, after)
        for statistic in self.watchers:
            statistic.update(sublayer, before, after)

    def _learn(self, outputs: Mapping[str, Tensor], row: Batch, masks: Mapping[str, Tensor]) -> None:
        target = self.objective.target(outputs, row, _generator(row, self.seed))
        families = self.structure.families
        gradients = torch.autograd.grad(target, [masks[f"mask.{family.name}"] for family in families])
        for family, gradient in zip(families, gradients, strict=True):
            require_finite(family.name, gradient)
            for statistic in self.learners:
                statistic.update(family, gradient)


def _generator(row: Batch, seed: int) -> torch.Generator:
    """A generator of the sequence's own, so that its draws do not depend on its place in the stream."""
    return torch.Generator().manual_seed(sequence_key(row, seed))


def _keys(batch: Batch, count: int, seed: int) -> np.ndarray:
    """A number between 0 and 1 for each of the `count` tokens of a batch, from its sequence and its place in it."""
    rows = sequences(batch)
    lengths = [count // len(rows)] * len(rows)
    mask = batch.get("attention_mask")
    if mask is not None and int(mask.sum()) == count:
        lengths = [int(kept) for kept in mask.reshape(len(rows), -1).sum(1)]
    drawn = (torch.rand(length, generator=_generator(row, seed)) for row, length in zip(rows, lengths, strict=True))
    return torch.cat(list(drawn)).numpy()
