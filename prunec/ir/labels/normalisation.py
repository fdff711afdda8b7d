"""Normalisations: what a mean runs over stands or falls together, what is scaled goes with its scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunec.ir.labels.elementwise import combine_values
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Planes, Result, rule
from prunec.ir.labels.value import Labelled, varying_axes
from prunec.ir.nodes import operator

aten = torch.ops.aten


@rule(aten.layer_norm, aten.rms_norm, aten.native_layer_norm)
def normalise(call: Call, ledger: Ledger) -> Result:
    """Normalisation over the last axes: one set a normalised row, weight and bias tied to it.

    Of a mean of squares alone, some can go: its denominator stays.
    """
    source: Labelled = call.args[0]
    axes = list(range(source.meta.dim() - len(call.args[1]), source.meta.dim()))
    for plane in source.planes:
        if not varying_axes(plane) & set(axes):
            continue
        if operator(call.node) is aten.rms_norm:
            ledger.mean(plane, axes, call.node)
        else:
            ledger.reduce(plane, axes, call.node, mean=True)
    return _results(call, combine_values(call.labelled(), source.shape, ledger))


@rule(
    aten.batch_norm, aten.native_batch_norm, aten.instance_norm, aten._native_batch_norm_legit_no_training,
    aten._native_batch_norm_legit,
)  # fmt: skip
def by_channel(call: Call, ledger: Ledger) -> Result:
    """Every channel is normalised by itself, with numbers of its own."""
    source: Labelled = call.args[0]
    _pin_along(call, source, range(2, source.meta.dim()), ledger)
    return _results(call, combine_values(_with_channels(call, source), source.shape, ledger))


@rule(aten.group_norm, aten.native_group_norm)
def by_group(call: Call, ledger: Ledger) -> Result:
    """Channels of one group are one set, told from the next group's by its number."""
    source: Labelled = call.args[0]
    groups = call.named("num_groups") or call.named("group")
    _pin_along(call, source, range(2, source.meta.dim()), ledger)
    for plane in source.planes:
        if 1 in varying_axes(plane):
            parted = plane.movedim(1, 0).reshape(groups, source.shape[1] // groups, -1)
            ledger.reduce(parted, [1], call.node)
            if groups > 1:
                ledger.pin(plane, f"{call.node.name} counts its groups")
    return _results(call, combine_values(_with_channels(call, source), source.shape, ledger))


def _with_channels(call: Call, source: Labelled) -> list[Labelled]:
    """The value and the vectors by channel, laid along its axis of channels."""
    view = [1, -1, *[1] * (source.meta.dim() - 2)]
    vectors = call.labelled()[1:]
    return [source, *(Labelled(item.meta.view(view), tuple(p.reshape(view) for p in item.planes)) for item in vectors)]


def _pin_along(call: Call, source: Labelled, axes: Sequence[int], ledger: Ledger) -> None:
    for plane in source.planes:
        if varying_axes(plane) & set(axes):
            ledger.pin(plane, f"{call.node.name} takes a mean over it")


def _results(call: Call, planes: Planes) -> Result:
    """The planes of the one result, or of the first of several, whose others are means that nothing here follows."""
    return planes if isinstance(call.meta, Tensor) else [planes, *[()] * (len(call.meta) - 1)]
