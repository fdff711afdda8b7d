"""The one pass over the calibration stream that feeds every statistic that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Objective
from prunec.calibration.statistics import AnyStatistic, Statistic
from prunec.calibration.streams import StreamStatistic
from prunec.calibration.tokens import (
    Batch,
    require_finite,
    sequence_key,
    sequences,
    token_ids,
    token_rows,
    without_padding,
)
from prunec.calibration.tokensums import TokenStatistic
from prunec.facts import Family, Plan, Site, Structure, Sublayer
from prunec.ir.execute import Override, evaluate, input_values, output_nodes
from prunec.ir.program import Program
from prunec.passbase import Progress

Args = tuple[Any, ...]


def collect(
    program: Program,
    structure: Structure,
    batches: Sequence[Batch],
    statistics: Iterable[AnyStatistic | TokenStatistic],
    objective: Objective,
    *,
    seed: int,
    progress: Progress,
    ema: float | None = None,
    plan: Plan | None = None,
) -> None:
    """Stream `batches` through the program once and feed every statistic.

    Activations are those that each family's site reads, `[tokens, features]`, padding left out.
    Gradients are taken one sequence at a time, since a mean over sequences hides what differs
    between them. Nothing is kept but the statistics' own sums, and neither the order of the stream
    nor how it is batched changes them. With `ema`, each sequence makes all before it count `ema` times
    as much: a moving average, to which order matters, and batching does not; sums by token are none.
    What `plan` removes is closed by its masks, so that it is read as zero and what follows does without it.

    Raises:
        PassError: an activation is not finite; the family is named.
    """
    every = list(statistics)
    fading: list[AnyStatistic] = [item for item in every if not isinstance(item, TokenStatistic)]
    of_units = [item for item in every if isinstance(item, Statistic)]
    stream = _Stream(
        masked_program(program, structure),
        structure,
        [item for item in of_units if not item.wants_gradients],
        [item for item in of_units if item.wants_gradients],
        [item for item in every if isinstance(item, StreamStatistic)],
        [item for item in every if isinstance(item, TokenStatistic)],
        objective,
        seed,
        plan or Plan({}),
    )
    alone = stream.learners or ema is not None
    rows = [row for batch in batches for row in sequences(batch)] if alone else batches
    for index, batch in enumerate(rows):
        if ema is not None:
            for statistic in fading:
                statistic.fade(ema)
        stream.feed(batch)
        progress.item("calibrating", index + 1, len(rows))


@dataclass(frozen=True)
class _Stream:
    """The masked program and who reads it.

    `readers` want activations, `learners` mask gradients, `watchers` the residual stream, `namers` activations with the
    tokens that they belong to.
    """

    masked: Program
    structure: Structure
    readers: Sequence[Statistic]
    learners: Sequence[Statistic]
    watchers: Sequence[StreamStatistic]
    namers: Sequence[TokenStatistic]
    objective: Objective
    seed: int
    plan: Plan

    def feed(self, batch: Batch) -> None:
        """Run one batch; with learners, one sequence."""
        learning = bool(self.learners)
        masks = {name: mask.requires_grad_(learning) for name, mask in plan_masks(self.structure, self.plan).items()}
        known, wanted = input_values(self.masked, {**batch, **masks}), output_nodes(self.masked)
        with torch.set_grad_enabled(learning):
            values = evaluate(self.masked, known, wanted, before_call=self._reader(batch))
        if learning:
            outputs = dict(zip(self.masked.outputs, (values[node] for node in wanted), strict=True))
            self._learn(outputs, batch, masks)

    def _reader(self, batch: Batch) -> Override:
        sites: dict[str, list[tuple[Family, Site]]] = {}
        for family in self.structure.families if self.readers or self.namers else ():
            for site in family.sites:
                sites.setdefault(site.node, []).append((family, site))
        additions = {item.add: item for item in self.structure.sublayers} if self.watchers else {}
        keyed = any(statistic.wants_keys for statistic in self.readers)

        def read(node: fx.Node, args: Args, kwargs: dict[str, Any]) -> tuple[Args, dict[str, Any]]:
            for family, site in sites.get(node.name, ()):
                activation = args[site.argument].detach()
                values = without_padding(site.rows(activation), batch)
                require_finite(family.name, values)
                keys = _keys(batch, len(values), self.seed) if keyed else None
                for statistic in self.readers:
                    statistic.update(family, values, site, keys)
                ids = token_ids(activation.movedim(site.axis, -1).shape[:-1], batch) if self.namers else None
                for namer in self.namers:
                    namer.update(family, values, site, ids)
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
