"""Config fields that the general rules get wrong, by model type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.zoo.sizes import EXPERT_FFN, EXPERTS, FFN, HEAD_DIM, HIDDEN, VOCABULARY

Settings = dict[str, Any]

WHERE_NONE: Mapping[str, int] = {
    "head_dim": HEAD_DIM,
    "num_experts_per_tok": 2,
    "n_routed_experts": EXPERTS,
    "num_experts": EXPERTS,
    "num_local_experts": EXPERTS,
    "n_shared_experts": 1,
    "moe_intermediate_size": EXPERT_FFN,
    "vocab_size": VOCABULARY,
}
"""Sizes of fields that are None by default and would then follow from large ones."""

UNGROUPED = ("esmc", "nemotron3")
"""Model types, or starts of them, whose keys have as many heads as their queries."""


def _rotary(sections: list[int]) -> Callable[[Any], Settings]:
    def parameters(config: Any) -> Settings:
        given = config.rope_parameters or {"rope_type": "default", "rope_theta": 1e4}
        return {**given, "mrope_section": sections}

    return parameters


def _default_rotary(config: Any) -> Settings:
    fixed = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    return {**(config.rope_parameters or {}), **fixed}


_EFFICIENT: Settings = {
    "width_coefficient": 0.25,
    "depth_coefficient": 1.0,
    "hidden_dim": 320,
    "in_channels": [32, 16, 24],
    "out_channels": [16, 24, 40],
    "kernel_sizes": [3, 3, 5],
    "strides": [1, 2, 2],
    "num_block_repeats": [1, 2, 1],
    "expand_ratios": [1, 4, 4],
    "depthwise_padding": [],
}
_THREE_CONVOLUTIONS: Settings = {
    "conv_dim": (32, 32, 32),
    "conv_stride": (5, 2, 2),
    "conv_kernel": (10, 3, 2),
    "num_feat_extract_layers": 3,
}
_TOKENIZER: Settings = {"num_filters": 4, "downsampling_ratios": (2, 2), "depths": (1, 1, 1)}
_SECTIONED: Settings = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}

SETTINGS: Mapping[str, Settings] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_layers": 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "xmod": {"default_language": "en_XX"},
    "ctrl": {"dff": FFN},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 8,
        "indexer_compress_ratio": 4,
    },
    "levit": {"patch_size": 16, "image_size": 64},
    "efficientnet": _EFFICIENT,
    "align_vision_model": _EFFICIENT,
    "hgnet_v2": {
        "stem_channels": (3, 8, 16),
        "stage_in_channels": (16, 24, 32, 48),
        "stage_mid_channels": (8, 8, 16, 16),
        "stage_out_channels": (24, 32, 48, 64),
        "stage_numb_of_layers": (2, 2, 2, 2),
        "stage_num_blocks": (1, 1, 2, 1),
        "hidden_sizes": [24, 32, 48, 64],
        "embedding_size": 16,
    },
    "textnet": {"stem_out_channels": 8, "hidden_sizes": [8, 8, 16, 32, 64]},
    "siglip2_vision_model": {"num_patches": 16},
    "shieldgemma2": {"yes_token_index": 5, "no_token_index": 6},
    "granite_speech5_ctc": {"context_size": 16},
    "audio-spectrogram-transformer": {
        "max_length": 48,
        "num_mel_bins": 32,
        "patch_size": 8,
        "time_stride": 6,
        "frequency_stride": 6,
    },
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.25},
    "mpnet": {"relative_attention_num_buckets": 32},
    "reformer": {
        "axial_pos_embds_dim": (24, 40),
        "axial_pos_shape": (8, 8),
        "local_attn_chunk_length": 4,
        "lsh_attn_chunk_length": 4,
        "num_buckets": 2,
        "attn_layers": ["local", "lsh"],
        "feed_forward_size": FFN,
    },
    "zamba": {
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "num_hidden_layers": 4,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "cohere_compass_text": {"rope_parameters": {"sliding_attention": _SECTIONED, "full_attention": _SECTIONED}},
    "esm": {"pad_token_id": 1, "mask_token_id": 4},
    "lilt": {"hidden_size": 48},
    "blip_2_qformer": {"use_qformer_text_input": True},
    "lw_detr_vit": {"num_windows": 4, "num_windows_side": 2},
    "glm5_next": {"num_key_value_heads": 4},
    "glm5_next_text": {"num_key_value_heads": 4},
    "dpt": {
        "num_hidden_layers": 4,
        "backbone_out_indices": [0, 1, 2, 3],
        "neck_hidden_sizes": [16, 24, 32, 64],
        "fusion_hidden_size": 32,
    },
    "dac": {"encoder_hidden_size": 8, "decoder_hidden_size": 64},
    "align": {"projection_dim": 16},
    "moonshine": {"encoder_num_key_value_heads": 4, "decoder_num_key_value_heads": 4},
    "paddleocr_vl_text": {"rope_parameters": _default_rotary},
    "glm4v_text": {"rope_parameters": _rotary([2, 3, 3])},
    "glm_ocr_text": {"rope_parameters": _rotary([2, 3, 3])},
    "glm4v_moe_text": {"rope_parameters": _rotary([1, 1, 2])},
    "ernie4_5_vl_moe_text": {"rope_parameters": _rotary([3, 3, 2])},
    "cpmant": {
        "dim_ff": FFN,
        "prompt_types": 4,
        "prompt_length": 4,
        "segment_types": 4,
        "position_bias_num_buckets": 32,
        "position_bias_max_distance": 64,
    },
    "dots3_note_audio": {"adapter_input_size": HIDDEN, "adapter_out_dim": HIDDEN},
    "dots3_note_vision": {"adapter_in_dim": HIDDEN, "adapter_out_dim": HIDDEN},
    "wav2vec2": _THREE_CONVOLUTIONS,
    "hubert": _THREE_CONVOLUTIONS,
    "wavlm": {**_THREE_CONVOLUTIONS, "num_buckets": 32, "max_bucket_distance": 64},
    "unispeech": _THREE_CONVOLUTIONS,
    "unispeech-sat": _THREE_CONVOLUTIONS,
    "data2vec-audio": _THREE_CONVOLUTIONS,
    "sew": _THREE_CONVOLUTIONS,
    "sew-d": _THREE_CONVOLUTIONS,
    "wav2vec2-conformer": _THREE_CONVOLUTIONS,
    "speecht5": _THREE_CONVOLUTIONS,
    "seamless_m4t": _THREE_CONVOLUTIONS,
    "vibevoice_acoustic_tokenizer": _TOKENIZER,
    "vibevoice_acoustic_tokenizer_encoder": _TOKENIZER,
    "vibevoice_acoustic_tokenizer_decoder": _TOKENIZER,
    "vibevoice_semantic_tokenizer": _TOKENIZER,
    "vibevoice_semantic_tokenizer_encoder": _TOKENIZER,
}
"""Values, or what computes one from the full-sized config; set where the config has the field."""

_SERIES: Settings = {"prediction_length": 4, "context_length": 8, "num_time_features": 2}
_NO_LAYER_INPUTS: Settings = {
    "model_type": "gemma4_text",
    "hidden_size_per_layer_input": 0,
    "vocab_size_per_layer_input": 0,
}

ARGUMENTS: Mapping[str, Settings] = {
    "gemma4_assistant": {"text_config": _NO_LAYER_INPUTS},
    "autoformer": _SERIES,
    "informer": _SERIES,
    "time_series_transformer": _SERIES,
}
"""What the full-sized config is made with."""
