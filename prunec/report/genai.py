"""What onnxruntime-genai reads beside a graph with a cache: how its inputs are called, and how large its caches are.

Its own builder writes graphs of one head count alone; its runtime takes the heads of each layer from the graph, so
layers may differ there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunec.ir.caches import NUMBER
from prunec.ir.program import Program

FED = ("input_ids", "attention_mask", "position_ids")
"""The inputs that its decoding fills by itself, by their names here."""
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


def genai_settings(config: Mapping[str, Any], program: Program, artifact: str) -> dict[str, Any] | None:
    """The settings for `program`, written to the file `artifact` of the same folder.

    None where it cannot run: without a cache, with inputs or outputs that it does not know, or where the config does
    not say how long a text may be. Layers are those that have a cache, for it counts these. Which models it knows is
    its own to say, by `type`.
    """
    past, present = ([getattr(pair, side) for pair in program.caches] for side in ("past", "present"))
    others = {item.name for item in program.inputs} - set(past)
    if not past or not others <= set(FED) or "logits" not in program.outputs or "model_type" not in config:
        return None
    layers = sorted({int(found[0]) for name in past if (found := NUMBER.search(name))})
    if layers != list(range(len(past) // 2)):
        return None
    sizes = program.example[past[0]].shape
    longest = config.get("max_position_embeddings") or config.get("n_positions")
    if longest is None or "vocab_size" not in config:
        return None
    names = {"past": _patterns(past), "present": _patterns(present)}
    ends = {name: config[name] for name in TOKENS if config.get(name) is not None}
    ends.setdefault("pad_token_id", _first(ends.get("eos_token_id", 0)))
    return {
        "model": {
            "type": config["model_type"],
            "vocab_size": config["vocab_size"],
            "context_length": longest,
            **ends,
            "decoder": {
                "filename": artifact,
                "session_options": {"provider_options": []},
                "num_hidden_layers": len(layers),
                "num_key_value_heads": int(sizes[1]),
                "num_attention_heads": config.get("num_attention_heads", int(sizes[1])),
                "head_size": int(sizes[3]),
                "hidden_size": config.get("hidden_size"),
                "inputs": {name: name for name in FED if name in others}
                | {f"past_{part}_names": pattern for part, pattern in names["past"].items()},
                "outputs": {"logits": "logits"}
                | {f"present_{part}_names": pattern for part, pattern in names["present"].items()},
            },
        },
        "search": {"do_sample": False, "max_length": longest, "past_present_share_buffer": False},
    }


def _patterns(names: list[str]) -> dict[str, str]:
    """The names of keys and of values, each with `%d` for the number of the layer."""
    return {name.rsplit(".", 1)[-1]: NUMBER.sub("%d", name) for name in names}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
