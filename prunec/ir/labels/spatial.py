"""Pooling and resampling: places are mixed or told apart, so they stay; channels are as they were."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Result, rule
from prunec.ir.labels.value import axis_plane, core, varying_axes

aten = torch.ops.aten


@rule(
    aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d, aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d,
    aten._adaptive_avg_pool2d, aten.adaptive_avg_pool3d, aten.max_pool1d, aten.max_pool2d, aten.max_pool3d,
    aten.max_pool2d_with_indices, aten.adaptive_max_pool1d, aten.adaptive_max_pool2d,
    aten.upsample_nearest1d, aten.upsample_nearest2d, aten._upsample_nearest_exact2d, aten.upsample_linear1d,
    aten.upsample_bilinear2d, aten._upsample_bilinear2d_aa, aten.upsample_bicubic2d, aten._upsample_bicubic2d_aa,
    aten.upsample_trilinear3d, aten.grid_sampler, aten.grid_sampler_2d,
    aten.replication_pad1d, aten.replication_pad2d, aten.reflection_pad1d, aten.reflection_pad2d,
)  # fmt: skip
def by_channel(call: Call, ledger: Ledger) -> Result:
    """`[batch, channels, *places]`: what varies along the places is pinned, the rest stays as it is."""
    source, *others = call.labelled()
    results = [call.meta] if isinstance(call.meta, Tensor) else list(call.meta)
    leading = 2 if source.meta.dim() >= _least_rank(call) else 1
    kept: list[Tensor] = []
    for plane in source.planes:
        if any(axis >= leading for axis in varying_axes(plane)):
            ledger.pin(plane, f"{call.node.name} mixes its places")
        else:
            kept.append(plane[(slice(None),) * leading + (slice(0, 1),) * (plane.dim() - leading)])
    for plane in (plane for value in others for plane in value.planes):
        ledger.pin(plane, f"{call.node.name} takes places from it")
    planes = [tuple(plane.expand(result.shape) for plane in kept) for result in results]
    return planes[0] if isinstance(call.meta, Tensor) else planes


@rule(aten.pixel_shuffle)
def pixel_shuffle(call: Call, ledger: Ledger) -> Result:
    """Channels that become places of one channel go together."""
    count = call.args[1] ** 2
    planes = []
    for labels in _channels(call, ledger):
        ledger.tie(labels.view(-1, count), labels.view(-1, count)[:, :1])
        planes.append(axis_plane(labels.view(-1, count)[:, 0].contiguous(), call.meta.shape, call.meta.dim() - 3))
    return tuple(planes)


@rule(aten.im2col, aten.pixel_unshuffle)
def patches(call: Call, ledger: Ledger) -> Result:
    """Places that become channels stand for the channel they come from."""
    axis = call.meta.dim() - (2 if call.node.target is aten.im2col.default else 3)
    planes = []
    for labels in _channels(call, ledger):
        count = call.meta.shape[axis] // len(labels)
        planes.append(axis_plane(labels.repeat_interleave(count), call.meta.shape, axis))
    return tuple(planes)


def _channels(call: Call, ledger: Ledger) -> list[Tensor]:
    """The labels of planes that vary along the axis of channels alone; the others are pinned."""
    source = call.args[0]
    found = []
    for plane in source.planes:
        if varying_axes(plane) == {source.meta.dim() - 3}:
            found.append(core(plane).reshape(-1))
        else:
            ledger.pin(plane, f"{call.node.name} mixes its places")
    return found


def _least_rank(call: Call) -> int:
    """Axes of an argument that has an axis for the batch: those of places and two."""
    name = str(call.node.target)
    return 2 + next((places for places in (1, 2, 3) if f"{places}d" in name), 2)
