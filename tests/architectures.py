"""Tiny random models of many architectures, with odd sizes, and what must be found in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

VOCABULARY, FFN, LAYERS = 61, 27, 2

SIZES: dict[str, Any] = {"hidden_size": 40, "intermediate_size": FFN, "num_hidden_layers": 2, "vocab_size": VOCABULARY}
PLAIN = SIZES | {"num_attention_heads": 5, "max_position_embeddings": 64, "pad_token_id": 0}
GROUPED = SIZES | {
    "hidden_size": 48,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
GPT2 = {"vocab_size": VOCABULARY, "n_embd": 40, "n_layer": 2, "n_head": 5, "n_inner": FFN, "n_positions": 64}

LATENT = {
    "moe_intermediate_size": 11,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 0,
    "num_key_value_heads": 6,
    "q_lora_rank": 20,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6,
    "v_head_dim": 8,
    "head_dim": 4,
}
"""Attention by latent vectors, and small experts."""

KV, HEAD, NEURON = "kv_group 3", "head 5", f"neuron {FFN}"


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        model_class: the transformers class, made from its config with `settings`.
        families: `kind units` of every family, in graph order.
        sublayers: kinds of the sublayers, in graph order.
        pins: a part of each pin's reason, in order.
        inputs: `text`, `pixels` or `both sides`.
    """

    model_class: str
    settings: Mapping[str, Any]
    families: tuple[str, ...]
    sublayers: tuple[str, ...] = ("attention", "ffn") * LAYERS
    pins: tuple[str, ...] = ()
    inputs: str = "text"

    def model(self) -> PreTrainedModel:
        """The model, every parameter random: no bias is zero, no norm the identity."""
        torch.manual_seed(0)
        made = getattr(transformers, self.model_class)
        model: PreTrainedModel = made(made.config_class(**self.settings)).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn_like(parameter)
                if parameter.ndim > 1:
                    parameter.copy_(noise / parameter.shape[-1] ** 0.5)
                else:
                    parameter.copy_((1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0) + 0.2 * noise)
        return model

    def example(self, batch: int, length: int, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs; of text, the last tokens of the last row are padding."""
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(3, VOCABULARY, (batch, length), generator=generator)
        mask = torch.ones(batch, length, dtype=torch.long)
        mask[-1, -2:] = 0
        if self.inputs == "pixels":
            return {"pixel_values": torch.randn(batch, 3, 16, 16, generator=generator)}
        inputs = {"input_ids": tokens, "attention_mask": mask}
        return inputs | ({"decoder_input_ids": tokens[:, : length - 2]} if self.inputs == "both sides" else {})


def repeated(*items: str) -> tuple[str, ...]:
    """The same for every layer."""
    return items * LAYERS


def _without(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture("LlamaForCausalLM", GROUPED, repeated(KV, NEURON)),
    "llama with one key for all heads": Architecture(
        "LlamaForCausalLM",
        GROUPED | {"num_key_value_heads": 1},
        repeated("head 6", NEURON),
        pins=("all of it is one unit",),  # the key that all share
    ),
    "llama with eager attention": Architecture(
        "LlamaForCausalLM", GROUPED | {"attn_implementation": "eager"}, repeated(KV, NEURON)
    ),
    "mistral": Architecture("MistralForCausalLM", GROUPED, repeated(KV, NEURON)),
    "qwen2": Architecture("Qwen2ForCausalLM", GROUPED, repeated(KV, NEURON)),
    "qwen3": Architecture("Qwen3ForCausalLM", GROUPED, repeated(KV, NEURON)),
    "gemma2": Architecture("Gemma2ForCausalLM", GROUPED, repeated(KV, NEURON)),
    "phi": Architecture("PhiForCausalLM", PLAIN, repeated(HEAD, NEURON), repeated("attention", "ffn")),
    "gpt_neox": Architecture("GPTNeoXForCausalLM", PLAIN, repeated(HEAD, NEURON), repeated("attention", "ffn")),
    "cohere": Architecture("CohereForCausalLM", PLAIN, repeated(HEAD, NEURON)),
    "gpt2": Architecture("GPT2LMHeadModel", GPT2, repeated(HEAD, NEURON)),
    "gpt_bigcode": Architecture("GPTBigCodeForCausalLM", GPT2, repeated(HEAD, NEURON)),
    "opt": Architecture(
        "OPTForCausalLM",
        _without(PLAIN, "intermediate_size") | {"ffn_dim": FFN, "word_embed_proj_dim": 40},
        repeated(HEAD, NEURON),
    ),
    "bloom": Architecture(
        "BloomForCausalLM",
        {"vocab_size": VOCABULARY, "hidden_size": 40, "n_layer": 2, "n_head": 5},
        repeated("neuron 160"),
        pins=(*("cannot be cut",) * 2, *("is ragged",) * 2),  # slopes are counted out by head
    ),
    "bert": Architecture("BertForMaskedLM", PLAIN, repeated(HEAD, NEURON)),
    "roberta": Architecture("RobertaForMaskedLM", PLAIN, repeated(HEAD, NEURON)),
    "electra": Architecture(
        "ElectraForMaskedLM",
        PLAIN | {"embedding_size": 24},
        repeated(HEAD, NEURON),
        pins=("layer_norm (aten.layer_norm.default) sums over all of them",),  # the embedding's own width
    ),
    "distilbert": Architecture(
        "DistilBertForMaskedLM",
        {"vocab_size": VOCABULARY, "dim": 40, "hidden_dim": FFN, "n_layers": 2, "n_heads": 5},
        repeated(HEAD, NEURON),
    ),
    "albert": Architecture(
        "AlbertForMaskedLM",
        PLAIN | {"embedding_size": 24},
        (HEAD, NEURON),  # all layers are one
        pins=("layer_norm (aten.layer_norm.default) sums over all of them",),
    ),
    "deberta": Architecture(
        "DebertaV2ForMaskedLM",
        PLAIN | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
        ("neuron 40", *repeated(HEAD, NEURON)),  # the width of the table of distances
    ),
    "vit": Architecture(
        "ViTForImageClassification",
        _without(PLAIN, "vocab_size", "max_position_embeddings", "pad_token_id")
        | {"image_size": 16, "patch_size": 4, "num_labels": 7},
        repeated(HEAD, NEURON),
        inputs="pixels",
    ),
    "t5": Architecture(
        "T5ForConditionalGeneration",
        {"vocab_size": VOCABULARY, "d_model": 40, "d_kv": 8, "d_ff": FFN, "num_layers": 2, "num_heads": 5}
        | {"decoder_start_token_id": 0},
        (HEAD, *repeated(NEURON), HEAD, *repeated(HEAD, NEURON)),  # one position bias serves all layers of a stack
        repeated("attention", "ffn") + repeated("attention", "attention", "ffn"),
        inputs="both sides",
    ),
}

MIXTURES: Mapping[str, Architecture] = {
    "softmax over all experts": Architecture(
        "MixtralForCausalLM",
        GROUPED | {"num_local_experts": 5, "num_experts_per_tok": 2},
        repeated("expert 5"),
    ),
    "softmax over the chosen ones, experts with biases": Architecture(
        "GptOssForCausalLM",
        GROUPED | {"num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": 8},
        repeated("expert 5"),
    ),
    "scores apart, corrected by a bias": Architecture(
        "DeepseekV3ForCausalLM",
        GROUPED | LATENT | {"n_routed_experts": 5, "n_group": 1, "topk_group": 1},
        repeated("expert 5"),
    ),
    "scores apart, the best group first": Architecture(
        "DeepseekV3ForCausalLM",
        GROUPED | LATENT | {"n_routed_experts": 6, "n_group": 3, "topk_group": 1},
        repeated("expert 3"),  # whole groups
    ),
}
"""Mixtures of experts, by how their routers choose; `families` are those of experts."""
