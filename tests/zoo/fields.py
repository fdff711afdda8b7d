"""Shrinking one field of a config: a whole number, a special token, or a list of either."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.zoo.rules import rule_for
from tests.zoo.sizes import HIDDEN

LAYER_LISTS = (
    "layer_types",
    "mlp_layer_types",
    "layers_block_type",
    "indexer_types",
    "block_types",
    "layer_type_list",
    "mtp_layer_types",
    "hybrid_layer_types",
    "attention_types_per_layer",
)
"""Fields that hold a kind per layer."""

DEPTHS = (
    "depths",
    "layers",
    "encoder_depths",
    "decoder_depths",
    "stage_num_blocks",
    "stage_numb_of_layers",
    "blocks_per_stage",
    "num_block_repeats",
    "num_blocks",
    "num_stages",
    "decoder_blocks",
    "encoder_blocks",
)
"""Fields that hold a number of layers per stage."""

HEADS_PER_STAGE = ("num_heads", "encoder_num_heads", "num_attention_heads", "num_attention_heads_per_stage")

FIRST_INDEX_ONLY = (
    "deepstack_visual_indexes",
    "fullatt_block_indexes",
    "global_attn_indexes",
    "window_block_indices",
)
INDICES = (
    *FIRST_INDEX_ONLY,
    "feature_layers",
    "vision_feature_layer",
    "select_layer",
    "intermediate_layers_indices",
    "global_attention_layers",
    "intermediate_layer_indices",
)
"""Fields that hold layers by number."""

_WIDTHS = re.compile(r"hidden_sizes|channels|dims?$|embed_dim|_sizes?$|widths")
_NOT_WIDTHS = re.compile(r"kernel|patch|pool|window|image|shape|merge|stride")


@dataclass(frozen=True)
class Full:
    """A full-sized config, as it was read.

    Attributes:
        model_type: as its class says.
        names: its fields.
        values: those that could be read.
        layers: how many layers the small model has: one of each kind at least.
        depth: how many the full one has, where it says so.
    """

    model_type: str
    names: set[str]
    values: Mapping[str, Any]
    layers: int
    depth: int | None

    @property
    def patch(self) -> int:
        """The side of an image patch."""
        size = self.values.get("patch_size")
        if isinstance(size, (list, tuple)) and size:
            size = size[-1]
        return size if isinstance(size, int) else 4


def shrunk_int(full: Full, field: str, value: int) -> int | None:
    """The value of a whole-number field in the small config; None where it stays."""
    if field.endswith(("_token_id", "_token_index", "_token_ids")):
        return _token(field, value)
    if re.search(r"image_size|img_size|crop_size", field) and not field.startswith("num"):
        return min(value, _image(full.patch)) if value else value
    rule = rule_for(field)
    return rule(value) if rule else None


def _token(field: str, value: int) -> int:
    if field == "pad_token_id":
        return value if 0 <= value < 5 else 0
    if field == "eos_token_id":
        return value if 0 <= value < 10 else 2
    if field in ("bos_token_id", "decoder_start_token_id"):
        return value if 0 <= value < 10 else 1
    return _special_token(field) if value >= 0 else value


def _special_token(field: str) -> int:
    """An id from 100 to 158, the same wherever the name is."""
    name = re.sub(r"_token$", "", re.sub(r"_(index|id)$", "", field))
    return 100 + zlib.crc32(name.encode()) % 59


def _image(patch: int) -> int:
    return 32 if patch >= 8 else 64


def shrunk_sequence(full: Full, field: str, values: Any) -> Any:
    """The value of a list field in the small config, of the same type; None where it stays."""
    kind = type(values)
    if field in LAYER_LISTS and values and all(isinstance(item, str) for item in values):
        return _one_of_each(values, full.layers)
    if field == "eos_token_id":
        return 2
    if not values:
        return None
    if full.depth and full.depth > 4 and len(values) == full.depth:
        return kind(_fewer_layers(values, full.layers))
    if all(isinstance(item, int) for item in values):
        sizes = _shrunk_sizes(full, field, values)
        if sizes is not None:
            return kind(sizes)
    if _WIDTHS.search(field) and not _NOT_WIDTHS.search(field):
        return kind(_narrower(values))
    if field in INDICES:
        kept = [item if item < 0 else min(item, 1) for item in values]
        return kind(kept[:1] if field in FIRST_INDEX_ONLY else kept)
    return None


def _shrunk_sizes(full: Full, field: str, values: Sequence[int]) -> list[int] | None:
    if re.search(r"image_size|img_size|input_size|crop_size", field) and max(values) >= 64:
        return [min(item, _image(full.patch)) for item in values]
    if field == "patch_size":
        return [min(item, 8) for item in values]
    if field in DEPTHS:
        return [min(item, 2 if stage == 0 else 1) if item else item for stage, item in enumerate(values)]
    if field in HEADS_PER_STAGE:
        return [max(1, min(item // min(values), 8)) for item in values]
    return None


def _one_of_each(kinds: Sequence[str], layers: int) -> list[str]:
    distinct = list(dict.fromkeys(kinds))
    return distinct + [distinct[index % len(distinct)] for index in range(layers - len(distinct))]


def _fewer_layers(values: Sequence[Any], layers: int) -> list[Any]:
    """A value per layer for fewer layers: flags keep both of their values, where there are two."""
    first, last = values[0], values[-1]
    if not all(item in (0, 1) for item in values):
        return [*values[: layers - 1], last]
    both = [first, 1 - first] if isinstance(first, int) and 1 - first in values else [first] * 2
    return both + [first] * (layers - 2)


def _narrower(values: Sequence[Any]) -> list[Any]:
    """Widths in multiples of 8, the largest `HIDDEN`, in about the given proportions."""
    widths = [item for item in values if isinstance(item, int)]
    if not widths or max(widths) <= HIDDEN:
        return list(values)
    narrower: list[Any] = []
    for item in values:
        if isinstance(item, int):
            narrower.append(min(item, max(8, round(item * HIDDEN / max(widths) / 8) * 8)))
        else:
            narrower.append(_narrower(item) if isinstance(item, (list, tuple)) else item)
    return narrower
