"""Shrinking a config: every size by its field's rule, and what must then fit together."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from transformers import PreTrainedConfig

from tests.zoo.fields import LAYER_LISTS, Full, shrunk_int, shrunk_sequence
from tests.zoo.settings import SETTINGS, UNGROUPED, WHERE_NONE
from tests.zoo.sizes import HEAD_DIM, HEADS, HIDDEN, KV_HEADS, LABELS, LAYERS

Config = Any
"""A `PreTrainedConfig`: which fields it has differs from model to model."""

LAYER_FIELDS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers", "depth")
LEFT_ALONE = {"id2label", "label2id", "transformers_version", "architectures", "dtype", "return_dict"}
STAGE_WIDTHS = (
    ("num_heads", "embed_dim"),
    ("num_attention_heads", "hidden_sizes"),
    ("num_attention_heads", "hidden_size"),
    ("num_attention_heads", "embed_dims"),
)
"""Fields that hold heads and widths per stage."""


def shrink(config: Config, arguments: Mapping[str, Any]) -> Config:
    """A config of the same class with small sizes; `arguments` are what `config` was made with."""
    settings = {name: value for name, value in arguments.items() if not isinstance(value, dict)} | _settings(config)
    taps = None
    with contextlib.suppress(Exception):  # backbones only; a property that may refuse
        taps = list(config._out_features) if getattr(config, "_out_features", None) else None
    if taps and _taps_every_layer(config):
        settings["num_hidden_layers"] = max(settings.get("num_hidden_layers", LAYERS), len(taps))
    small = type(config)(**settings)
    if taps:
        stages = list(small.stage_names)
        small.out_features = taps if all(tap in stages for tap in taps) else stages[-len(taps) :]
    return small


def _taps_every_layer(config: Config) -> bool:
    """Whether the outputs of a backbone are counted in layers: it must keep as many as are asked for."""
    layers = getattr(config, "num_hidden_layers", None)
    return (
        bool(getattr(config, "stage_names", None))
        and isinstance(layers, int)
        and "num_hidden_layers" in {field.name for field in dataclasses.fields(config)}
        and len(config.stage_names) == layers + 1
    )


def _settings(config: Config) -> dict[str, Any]:
    """The fields of `config` that are to be other than by default."""
    full = _read(config)
    settings: dict[str, Any] = {}
    for field, value in full.values.items():
        if not field.startswith("_") and field not in LEFT_ALONE:
            _shrink_field(full, field, value, settings)
    _fit_heads(full, settings)
    _fit_rotary(full, config, settings)
    _fit_stages(full, settings)
    if "num_labels" in full.names:
        settings["num_labels"] = LABELS
    for field, value in SETTINGS.get(full.model_type, {}).items():
        if field in full.names:
            settings[field] = value(config) if callable(value) else deepcopy(value)
    return settings


def _read(config: Config) -> Full:
    kind = type(config)
    names = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set(vars(config))
    values: dict[str, Any] = {}
    for name in sorted(names):
        with contextlib.suppress(Exception):  # some properties refuse to be read
            values[name] = getattr(config, name)
    layers = LAYERS
    for field in LAYER_LISTS:
        value = values.get(field)
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
            layers = max(layers, len(set(value)))
    depth = next((values[name] for name in LAYER_FIELDS if isinstance(values.get(name), int)), None)
    return Full(getattr(kind, "model_type", ""), names, values, layers, depth)


def _shrink_field(full: Full, field: str, value: Any, settings: dict[str, Any]) -> None:
    if isinstance(value, PreTrainedConfig):
        settings[field] = _shrunk_part(value)
    elif value is None and field in WHERE_NONE:
        settings[field] = WHERE_NONE[field]
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        small = shrunk_int(full, field, value)
        if small is not None:
            settings[field] = small
        if field in LAYER_FIELDS and full.depth is not None:
            settings[field] = min(value, full.layers)
    elif isinstance(value, (list, tuple)):
        small = shrunk_sequence(full, field, value)
        if small is not None:
            settings[field] = small


def _shrunk_part(part: Config) -> Config:
    """A nested config, with the attributes that its class does not declare carried over."""
    small = shrink(part, {})
    for name, value in vars(part).items():
        with contextlib.suppress(Exception):  # per-layer attributes refuse a global read
            if not name.startswith("_") and not hasattr(small, name):
                setattr(small, name, value)
    return small


def _fit_heads(full: Full, settings: dict[str, Any]) -> None:
    """Key/value heads, latent attention and state-space heads follow the number of query heads."""
    heads = full.values.get("num_attention_heads")
    if "num_key_value_heads" in full.names and isinstance(heads, int):
        own = settings.get("num_attention_heads", heads)
        grouped = not full.model_type.startswith(UNGROUPED[1]) and full.model_type != UNGROUPED[0]
        settings["num_key_value_heads"] = min(KV_HEADS, own) if grouped else settings["num_attention_heads"]
    if settings.get("qk_rope_head_dim"):
        if "head_dim" in settings:
            settings["head_dim"] = settings["qk_rope_head_dim"]
        if "num_key_value_heads" in settings:
            settings["num_key_value_heads"] = settings["num_attention_heads"]
    if "mamba_n_heads" in settings and "mamba_d_head" in full.names:
        settings["mamba_n_heads"], settings["mamba_d_head"] = 8, HEAD_DIM
        if "mamba_d_ssm" in full.names:
            settings["mamba_d_ssm"] = 128
    if full.model_type == "mamba2":
        settings["num_heads"], settings["head_dim"] = 8, 16


def _fit_rotary(full: Full, config: Config, settings: dict[str, Any]) -> None:
    """Rotary tables hold as many frequencies as a head has pairs."""
    given = full.values.get("rope_parameters")
    if not isinstance(given, dict) or not given:
        return
    head_dim = settings.get("head_dim") or _width_of_a_head(settings)
    fitted = _fitted(given, head_dim)
    if fitted != given:
        settings["rope_parameters"] = fitted
    allowed = getattr(type(config), "ignore_keys_at_rope_validation", None) or ()
    if "rope_type" in given and not given.get("mrope_section") and "mrope_section" in allowed:
        pairs = int(head_dim * (given.get("partial_rotary_factor") or 1.0)) // 2
        sections = _sections([16, 24, 24], pairs)
        settings["rope_parameters"] = {**(settings.get("rope_parameters") or given), "mrope_section": sections}


def _width_of_a_head(settings: Mapping[str, Any]) -> int:
    hidden, heads = settings.get("hidden_size", HIDDEN), settings.get("num_attention_heads", HEADS)
    return hidden // max(1, heads) if isinstance(hidden, int) and isinstance(heads, int) else HEAD_DIM


def _fitted(rotary: Mapping[str, Any], head_dim: int) -> dict[str, Any]:
    fitted: dict[str, Any] = {}
    for key, value in rotary.items():
        if isinstance(value, dict):
            fitted[key] = _fitted(value, head_dim)
        elif key == "mrope_section" and isinstance(value, (list, tuple)):
            share = rotary.get("partial_rotary_factor", 1.0) or 1.0
            fitted[key] = _sections(value, int(head_dim * share) // 2)
        elif key in ("short_factor", "long_factor"):
            fitted[key] = [1.0] * (head_dim // 2)
        else:
            fitted[key] = value
    return fitted


def _sections(values: list[int] | tuple[int, ...], total: int) -> list[int]:
    """Whole numbers of at least 1 in the proportions of `values` that sum to `total`."""
    sections = [max(1, int(value * total / sum(values))) for value in values]
    sections[-1] += total - sum(sections)
    giver = 0
    while sections[-1] < 1:
        sections[giver] -= 1
        sections[-1] += 1
        giver = (giver + 1) % (len(sections) - 1)
    return sections


def _fit_stages(full: Full, settings: dict[str, Any]) -> None:
    """Hierarchical vision: widths per stage are multiples of the heads per stage."""
    for heads_field, widths_field in STAGE_WIDTHS:
        heads, widths = full.values.get(heads_field), full.values.get(widths_field)
        if not isinstance(heads, (list, tuple)) or not isinstance(widths, (list, tuple)) or len(heads) != len(widths):
            continue
        if all(isinstance(item, int) for item in (*heads, *widths)):
            first = 1 if heads[0] == 1 else 2
            fewer = [min(first * 2**stage, 8) for stage in range(len(heads))]
            settings[heads_field] = type(heads)(fewer)
            settings[widths_field] = type(widths)(max(16, 8 * item) for item in fewer)
    if not isinstance(full.values.get("depths"), (list, tuple)):
        return
    if isinstance(full.values.get("window_size"), int):
        settings["window_size"] = 2
    if isinstance(full.values.get("embed_dim"), int):
        settings["embed_dim"] = 16
        heads = full.values.get("num_heads")
        if isinstance(heads, (list, tuple)):
            settings["num_heads"] = type(heads)((2, 4, 8, 16)[: len(heads)])
