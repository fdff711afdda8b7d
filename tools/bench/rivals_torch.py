"""Torch-Pruning and optipfair: a transformers model and how much goes, to one with fewer weights.

Only these packages' own calls, with the settings of their authors' examples; what those examples mend by hand in the
pruned model, numbers of heads and sizes in the config, is mended here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

Batches = list[dict[str, Tensor]]
WRITERS = "attention.output.dense", "attention.o_proj"
"""How the layers of encoders are called that write what attention says into the residual stream."""


def torch_pruning(model: PreTrainedModel, batches: Batches, share: float) -> PreTrainedModel:
    """`prune_llm.py`, `prune_hf_bert.py` and `prune_hf_vit.py` of Torch-Pruning's examples."""
    import torch_pruning as tp

    return _pruned(model, batches, share, tp.importance.GroupMagnitudeImportance(p=2, group_reduction="mean"))


def torch_pruning_bottleneck(model: PreTrainedModel, batches: Batches, share: float) -> PreTrainedModel:
    """With the option `--bottleneck` of its examples: the residual stream stays as wide as it is."""
    import torch_pruning as tp

    outputs = [module for name, module in model.named_modules() if name.endswith(WRITERS)]
    importance = tp.importance.GroupMagnitudeImportance(p=2, group_reduction="mean")
    return _pruned(model, batches, share, importance, outputs)


def torch_pruning_taylor(model: PreTrainedModel, batches: Batches, share: float) -> PreTrainedModel:
    """The same by its first-order score, as LLM-Pruner takes it: gradients of the loss, summed over the text."""
    import torch_pruning as tp

    for batch in batches:
        model(**batch, labels=batch["input_ids"], use_cache=False).loss.backward()
    return _pruned(model, batches, share, tp.importance.GroupTaylorImportance(group_reduction="mean"))


def _pruned(
    model: PreTrainedModel, batches: Batches, share: float, importance: Any, kept: Sequence[Any] = ()
) -> PreTrainedModel:
    import torch_pruning as tp

    # It follows keys and values to the heads that share them where these are repeated, which the usual way does not.
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")
    decoder = hasattr(model, "lm_head")
    heads = [module for name, module in model.named_children() if name in ("lm_head", "pooler")]
    pruner = tp.pruner.BasePruner(
        model,
        {name: value[:1] for name, value in batches[0].items()},
        importance=importance,
        global_pruning=False,
        pruning_ratio=share,
        head_pruning_ratio=share,
        num_heads=_heads(model),
        prune_num_heads=True,
        prune_head_dims=False,
        ignored_layers=[*heads, *kept],
        output_transform=(lambda out: out.logits) if decoder else (lambda out: out.pooler_output.sum()),
        round_to=4 if decoder else None,
    )
    for group in pruner.step(interactive=True):
        group.prune()
    model.set_attn_implementation(usual)
    (_mend_decoder if decoder else _mend_encoder)(model, pruner)
    return model


def _heads(model: PreTrainedModel) -> dict[nn.Module, int]:
    """Heads by the layer that writes them."""
    config: Any = model.config
    found: dict[nn.Module, int] = {}
    parts: list[Any] = list(model.modules())
    for module in parts:
        if hasattr(module, "query"):
            found |= dict.fromkeys((module.query, module.key, module.value), config.num_attention_heads)
        elif hasattr(module, "q_proj"):
            found[module.q_proj] = config.num_attention_heads
            shared = getattr(config, "num_key_value_heads", config.num_attention_heads)
            found |= dict.fromkeys((module.k_proj, module.v_proj), shared)
    return found


def _mend_encoder(model: Any, pruner: Any) -> None:
    for module in model.modules():
        if hasattr(module, "query"):
            module.num_attention_heads = pruner.num_heads[module.query]
            module.all_head_size = module.query.out_features
            module.attention_head_size = module.all_head_size // module.num_attention_heads
        elif hasattr(module, "q_proj"):
            module.num_attention_heads = pruner.num_heads[module.q_proj]
            module.head_dim = module.q_proj.out_features // module.num_attention_heads


def _mend_decoder(model: Any, pruner: Any) -> None:
    first, config = model.model.layers[0], model.config
    width = first.self_attn.head_dim
    config.hidden_size, config.head_dim = model.lm_head.in_features, width
    config.intermediate_size = first.mlp.gate_proj.out_features
    config.num_attention_heads = first.self_attn.q_proj.out_features // width
    config.num_key_value_heads = first.self_attn.k_proj.out_features // width
    if config.num_attention_heads % config.num_key_value_heads:
        raise ValueError(
            f"{config.num_attention_heads} query heads are left for {config.num_key_value_heads} key-value heads"
        )
    for layer in model.model.layers:
        layer.self_attn.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads


def optipfair_width(model: PreTrainedModel, batches: Batches, share: float) -> PreTrainedModel:
    """Neurons of gated feed-forwards, by weights and by activations on the text."""
    import optipfair

    pruned: PreTrainedModel = optipfair.prune_model(
        model,
        pruning_type="MLP_GLU",
        neuron_selection_method="MAW",
        pruning_percentage=100 * share,
        dataloader=batches,
        show_progress=False,
    )
    return pruned


def optipfair_depth(model: PreTrainedModel, batches: Batches, share: float) -> PreTrainedModel:
    """The layers least important by its own analysis of the text."""
    import optipfair

    importance = optipfair.analyze_layer_importance(model, batches, show_progress=False)
    gone = sorted(importance, key=importance.__getitem__)[: round(share * len(importance))]
    pruned: PreTrainedModel = optipfair.prune_model(
        model, pruning_type="DEPTH", layer_indices=gone, show_progress=False
    )
    return pruned


PRUNERS: Mapping[str, Callable[[PreTrainedModel, Batches, float], PreTrainedModel]] = {
    "torch-pruning": torch_pruning,
    "torch-pruning-bottleneck": torch_pruning_bottleneck,
    "torch-pruning-taylor": torch_pruning_taylor,
    "optipfair-width": optipfair_width,
    "optipfair-depth": optipfair_depth,
}
