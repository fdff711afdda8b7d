"""The one pass over the calibration stream that feeds every statistic that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from prunec.calibration.masked import masked_program, open_masks
from prunec.calibration.objective import Objective
from prunec.calibration.statistics import Statistic
from prunec.errors import PassError
from prunec.facts import Family, Structure
from prunec.ir.execute import evaluate, input_values, output_nodes
from prunec.ir.program import Program
from prunec.passbase import Progress

Batch = Mapping[str, Tensor]


def collect(
    program: Program,
    structure: Structure,
    batches: Sequence[Batch],
    statistics: Iterable[Statistic],
    objective: Objective,
    *,
    seed: int,
    progress: Progress,
) -> None:
    """Stream `batches` through the program once and feed every statistic.

    Activations are those that each family's site reads, `[tokens, features]`, padding left out.
    Gradients are taken one sequence at a time, since a mean over sequences hides what differs
    between them. Nothing is kept but the statistics' own sums.

    Raises:
        PassError: an activation is not finite; the family is named.
    """
    statistics = list(statistics)
    readers = [item for item in statistics if not item.wants_gradients]
    learners = [item for item in statistics if item.wants_gradients]
    masked = masked_program(program, structure)
    sites = {family.site.node: family for family in structure.families}
    generator = torch.Generator().manual_seed(seed)
    stream = [row for batch in batches for row in _sequences(batch)] if learners else batches
    for index, batch in enumerate(stream):
        masks = {name: mask.requires_grad_(bool(learners)) for name, mask in open_masks(structure).items()}

        def read(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], batch: Batch = batch) -> Any:
            family = sites.get(node.name)
            if family is not None and readers:
                values = _tokens(args[family.site.argument].detach(), batch)
                _require_finite(family, values)
                for statistic in readers:
                    statistic.update(family, values)
            return args, kwargs

        with torch.set_grad_enabled(bool(learners)):
            wanted = output_nodes(masked)
            known = input_values(masked, {**batch, **masks})
            values = evaluate(masked, known, wanted, before_call=read)
        if learners:
            outputs = dict(zip(masked.outputs, (values[node] for node in wanted), strict=True))
            target = objective.target(outputs, batch, generator)
            gradients = torch.autograd.grad(target, [masks[f"mask.{family.name}"] for family in structure.families])
            for family, gradient in zip(structure.families, gradients, strict=True):
                _require_finite(family, gradient)
                for statistic in learners:
                    statistic.update(family, gradient)
        progress.item("calibrating", index + 1, len(stream))


def _sequences(batch: Batch) -> list[Batch]:
    """One batch a sequence, without the padding that only its neighbours needed."""
    rows = []
    for index in range(len(next(iter(batch.values())))):
        row = {name: value[index : index + 1] for name, value in batch.items()}
        mask = row.get("attention_mask")
        if mask is not None and mask.dim() == 2:
            kept = mask[0].nonzero().squeeze(-1)
            row = {name: value[:, kept] if value.shape[1:] == mask.shape[1:] else value for name, value in row.items()}
        rows.append(row)
    return rows


def _tokens(activation: Tensor, batch: Batch) -> Tensor:
    flat = activation.reshape(-1, activation.shape[-1])
    mask = batch.get("attention_mask")
    return flat[mask.reshape(-1).bool()] if mask is not None and mask.numel() == len(flat) else flat


def _require_finite(family: Family, values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise PassError(
            f"activations of {family.name} are not finite on the calibration text",
            "check the checkpoint: the dense model itself overflows there",
        )
