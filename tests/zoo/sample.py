"""The cases that every test run judges: one or two of each kind of model, quick ones where there is a choice."""

from __future__ import annotations

KINDS = {
    "decoder": ("gpt2:causal_lm", "gemma2:causal_lm", "phi:causal_lm"),
    "encoder": ("bert:seq_cls", "modernbert:masked_lm", "deberta-v2:masked_lm"),
    "shared layers": ("albert:masked_lm",),
    "encoder and decoder": ("blenderbot-small:seq2seq_lm", "mvp:masked_lm"),
    "vision": ("dinov2:image_cls", "pvt:image_cls"),
    "windowed": ("swin:image_cls", "qwen3_vl_vision:base"),
    "convolutions": ("convnext:image_cls", "bit:image_cls"),
    "audio": ("sew:audio_cls", "unispeech:ctc"),
    "two towers": ("clipseg:zero_shot_image",),
    "vision and text": ("paligemma:image_text_to_text", "aya_vision:image_text_to_text"),
    "mixture of experts": ("granitemoe:causal_lm", "qwen2_moe:causal_lm"),
    "latent attention": ("deepseek_v2:causal_lm",),
    "state space": ("zamba2:causal_lm",),
    "time series": ("patchtst:base",),
    "tables": ("tapas:masked_lm",),
}
SAMPLE = tuple(name for names in KINDS.values() for name in names)

WHOLE = (
    "gpt2:causal_lm",
    "gemma2:causal_lm",
    "phi:causal_lm",
    "bert:seq_cls",
    "modernbert:masked_lm",
    "deberta-v2:masked_lm",
    "blenderbot-small:seq2seq_lm",
    "dinov2:image_cls",
    "swin:image_cls",
    "clipseg:zero_shot_image",
    "paligemma:image_text_to_text",
    "aya_vision:image_text_to_text",
    "tapas:masked_lm",
)
"""Those in which every attention and feed-forward was found when this was written; that must stay so."""

IN_ONNX = (
    "gpt2:causal_lm",
    "blenderbot-small:seq2seq_lm",
    "swin:image_cls",
    "unispeech:ctc",
    "clipseg:zero_shot_image",
)
"""Those that also run in ONNX Runtime."""
