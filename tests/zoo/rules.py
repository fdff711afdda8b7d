"""How large each whole number of a config may be, by the name of its field."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.zoo.sizes import (
    EXPERT_FFN,
    EXPERTS,
    FFN,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    KV_HEADS,
    LAYERS,
    POSITIONS,
    PROJECTION,
    VOCABULARY,
)

Rule = Callable[[int], int]


def at_most(limit: int) -> Rule:
    return lambda value: min(value, limit)


def exactly(size: int) -> Rule:
    return lambda value: size


def as_it_is(value: int) -> int:
    return value


_TABLE: tuple[tuple[Rule, tuple[str, ...]], ...] = (
    (at_most(4), (r"^type_vocab_size$",)),
    (at_most(VOCABULARY), (r"vocab_size", r"(^|_)num_embeddings$", r"unpadded_vocab")),
    (at_most(32), (r"codebook_size", r"num_codevectors_per_group")),
    (exactly(0), (r"^num_kv_shared_layers$",)),
    (exactly(0), (r"^(num_nextn_predict_layers|num_mtp_layers|mtp_num_hidden_layers)$",)),
    (at_most(1), (r"^max_window_layers$",)),
    (at_most(1), (r"^first_k_dense_replace$", r"^num_dense_layers$", r"^num_hash_layers$")),
    (at_most(2), (r"^(attn_layer_period|full_attention_interval|attention_period|expert_layer_period)$",)),
    (at_most(1), (r"^(attn_layer_offset|expert_layer_offset)$",)),
    (at_most(2), (r"^(cross_attention_interval|cross_layer_interval)$",)),
    (
        at_most(LAYERS),
        (
            r"(^|_)(num_hidden_layers|n_layers?|num_layers|layers|depth|num_blocks|num_decoder_layers"
            r"|num_encoder_layers|num_block|n_blocks|layer_depth)$",
            r"^num_.*_layers$",
            r"_num_layers$",
            r"_num_hidden_layers$",
        ),
    ),
    (at_most(KV_HEADS), (r"key_value_heads", r"kv_heads", r"multi_query_group_num", r"num_kv")),
    (at_most(2), (r"^index_n_heads$",)),
    (at_most(2), (r"linear_num_(key|value)_heads", r"linear_num_heads")),
    (at_most(HEADS), (r"heads$", r"^n_head$", r"_n_head$", r"num_attention_heads", r"num_heads", r"_heads_")),
    (at_most(8), (r"qk_rope_head_dim", r"rotary_dim", r"qk_nope_head_dim", r"rope_head_dim")),
    (
        at_most(HEAD_DIM),
        (r"head_dim", r"d_kv", r"kv_channels", r"dim_head", r"head_size", r"dim_per_head", r"d_head"),
    ),
    (at_most(4), (r"^num_filters$",)),
    (at_most(HIDDEN), (r"d_latents", r"out_emb_dim")),
    (at_most(HIDDEN), (r"upsample_groups",)),
    (at_most(32), (r"q_lora_rank", r"query_lora")),
    (at_most(16), (r"lora_rank", r"low_rank", r"_rank$", r"dt_rank", r"lora_r$", r"lora_dim")),
    (
        at_most(2),
        (
            r"num_experts_per_tok",
            r"experts_per_token",
            r"moe_topk",
            r"top_k_experts",
            r"num_selected_experts",
            r"moe_k$",
            r"^moe_top_k$",
            r"moe_router_topk",
            r"^top_k$",
            r"num_experts_per",
        ),
    ),
    (exactly(1), (r"^topk_group$",)),
    (at_most(2), (r"^n_group$",)),
    (at_most(1), (r"shared_experts$", r"n_shared", r"num_shared")),
    (
        at_most(EXPERTS),
        (
            r"n_routed_experts",
            r"num_experts",
            r"num_local_experts",
            r"moe_num_experts",
            r"n_experts",
            r"num_zero_expert",
            r"zero_expert_num",
            r"ffn_num_experts",
            r"moe_num",
            r"^routed_experts",
            r"expert_num",
            r"_experts$",
        ),
    ),
    (
        at_most(EXPERT_FFN),
        (
            r"moe.*(intermediate|ffn|hidden|mlp)",
            r"expert.*(intermediate|ffn|hidden|size)",
            r"shared.*intermediate",
        ),
    ),
    (
        at_most(FFN),
        (
            r"intermediate",
            r"ffn",
            r"mlp_dim",
            r"d_ff",
            r"n_inner",
            r"feed_?forward(?!_proj)",
            r"mlp_hidden",
            r"inner_dim",
            r"encoder_ffn",
            r"decoder_ffn",
            r"mlp_size",
        ),
    ),
    (at_most(4), (r"sliding_window", r"window_size$", r"local_window", r"attention_window")),
    (at_most(16), (r"^context_size$",)),
    (at_most(VOCABULARY), (r"_group_vocab$",)),
    (at_most(4), (r"(?<!tokenizer_)chunk_size",)),
    (
        at_most(POSITIONS),
        (
            r"^(n_positions|n_ctx|context_length|max_length)$",
            r"max_.*position",
            r"max_seq",
            r"position_embeddings$",
            r"max_.*positions",
            r"max_sequence",
            r"max_target",
            r"max_source",
            r"seq_length$",
            r"original_max",
            r"max_bpe",
            r"max_len",
            r"position_buckets",
            r"max_relative_positions",
        ),
    ),
    (as_it_is, (r"spatial_merge", r"temporal_patch", r"merge_size")),
    (at_most(8), (r"patch_size",)),
    (as_it_is, (r"image_size", r"img_size", r"input_size", r"crop_size", r"image_embedding_size")),
    (
        at_most(16),
        (
            r"num_mel_bins",
            r"n_mels",
            r"mel_dim",
            r"num_mels",
            r"input_feat_per_channel",
            r"feat_size",
            r"mel_bins",
        ),
    ),
    (
        at_most(PROJECTION),
        (
            r"projection_dim",
            r"proj_dim",
            r"projection_size",
            r"project_dim",
            r"classifier_proj_size",
            r"shared_latent",
            r"summary_dim",
            r"xvector_output",
        ),
    ),
    (at_most(8), (r"state_size", r"d_state", r"ssm_state", r"state_dim")),
    (at_most(8), (r"n_mamba_heads", r"mamba_n_heads", r"mamba_num_heads")),
    (at_most(8), (r"hidden_size_per_layer",)),
    (
        at_most(HIDDEN),
        (
            r"hidden_size",
            r"hidden_dim",
            r"d_model",
            r"n_embd",
            r"embed_dim",
            r"embedding_dim",
            r"embedding_size",
            r"emb_dim",
            r"(^|_)dim$",
            r"_width$",
            r"^width$",
            r"(^|_)channels$",
            r"feature_size",
            r"out_hidden",
            r"output_dim",
            r"_dim$",
            r"hidden_channels",
            r"inner_size",
            r"_channels$",
            r"d_inner",
            r"d_embed",
            r"embed_size",
            r"_size_global",
            r"lru_width",
            r"bottleneck_size",
            r"gate_dim",
            r"n_filters",
            r"num_filters",
            r"num_features",
            r"pos_feats",
            r"_dims$",
            r"^stem_channels",
            r"base_channels",
            r"stem_width",
            r"feature_layer_size",
        ),
    ),
    (
        at_most(8),
        (
            r"num_queries",
            r"num_latents",
            r"query_length",
            r"num_query_tokens",
            r"n_latents",
            r"num_object",
            r"num_denoising",
            r"query_tokens",
            r"num_query",
        ),
    ),
    (at_most(16), (r"num_conv_pos_embeddings$",)),
    (at_most(4), (r"num_conv_pos_embedding_groups",)),
    (
        at_most(8),
        (
            r"relative_attention_num_buckets",
            r"relative_attention_max_distance",
            r"num_buckets",
            r"rel_pos_bins",
            r"max_rel",
            r"rel_extent",
        ),
    ),
    (at_most(POSITIONS), (r"max_2d_position", r"max_.*2d", r"axial")),
    (at_most(2), (r"num_frames$",)),
    (at_most(2), (r"num_codebooks", r"num_quantizers", r"n_codebooks")),
    (exactly(12), (r"coordinate_size",)),
    (exactly(8), (r"shape_size",)),
    (at_most(4), (r"local_attention$",)),
    (at_most(2), (r"^global_attn_every_n_layers$",)),
    (at_most(4), (r"^index_topk$",)),
    (as_it_is, (r"mm_tokens_per_image", r"image_seq_length", r"num_image_tokens", r"image_length")),
    (at_most(4), (r"norm_num_groups", r"num_groups$", r"^n_groups$", r"group_norm")),
)
_RULES = tuple((re.compile("|".join(patterns)), rule) for rule, patterns in _TABLE)


def rule_for(field: str) -> Rule | None:
    """The first rule whose pattern is found in the field's name."""
    return next((rule for pattern, rule in _RULES if pattern.search(field)), None)
