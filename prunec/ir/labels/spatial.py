"""Pooling and resampling: places are mixed or told apart, so they stay; channels are as they were."""

from __future__ import annotations

import torch
from torch import Tensor

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import Call, Result, rule
from prunec.ir.labels.value import varying_axes

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


def _least_rank(call: Call) -> int:
    """Axes of an argument that has an axis for the batch: those of places and two."""
    name = str(call.node.target)
    return 2 + next((places for places in (1, 2, 3) if f"{places}d" in name), 2)
