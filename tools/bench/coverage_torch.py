"""Torch-Pruning and optipfair on any model: heads, neurons, whole layers, as their authors' examples go about it.

What those examples know of an architecture, a user of another has to find out: here the names of its projections say
which compute heads, and the tool's own dependency graph which layers write neurons. What their examples mend by hand
afterwards, the numbers in the modules, is mended in every module that has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

SHARE = 0.5
"""Of what is there: tiny models have few heads."""
QUERIES = ("q_proj", "query", "q_lin", "q", "q_attn", "linear_q", "to_q", "wq")
KEYS = ("k_proj", "key", "k_lin", "k", "k_attn", "linear_k", "to_k", "wk", "v_proj", "value", "v_lin", "v", "linear_v")
FUSED = ("qkv", "query_key_value", "qkv_proj", "c_attn", "Wqkv", "in_proj", "att_proj")
COUNTS = (
    "num_attention_heads",
    "num_heads",
    "n_heads",
    "n_head",
    "heads",
    "attention_heads",
    "encoder_attention_heads",
)
SHARED_COUNTS = ("num_key_value_heads", "num_kv_heads")
NOT_NEURONS = ("Softmax", "Attention", "Bmm", "Norm", "Mean", "Embedding", "OutputOp", "Sum")
"""Words for what a group of neurons does not pass."""
NONLINEAR = (
    "Relu",
    "Gelu",
    "Silu",
    "Tanh",
    "Sigmoid",
    "Erf",
    "Elu",
    "Selu",
    "Mish",
    "Hardswish",
    "Softplus",
    "Pow",
    "Mul",
)
"""Words for what it passes: without any of these, two layers in a row are no feed-forward."""

Inputs = Mapping[str, Tensor]


class NotTriedError(Exception):
    """The tool has no call for this."""


def torch_pruning(kind: str, model: nn.Module, inputs: Inputs) -> nn.Module:
    """Torch-Pruning: heads by `num_heads` of the projections, neurons by the groups that its graph finds."""
    import torch_pruning as tp

    if kind == "sublayers":
        raise NotTriedError("it removes no layers")
    heads = _projections(model) if kind == "heads" else {}
    roots = set(heads) if heads else _neurons(model, inputs) if kind == "neurons" else set()
    if not roots:
        raise NotTriedError(f"no {kind} found")
    # The pruner counts heads down in the table that it is given.
    left, before = dict(heads), {layer: _width(layer) for layer in heads}
    pruner = tp.pruner.BasePruner(
        model,
        dict(inputs),
        importance=tp.importance.GroupMagnitudeImportance(p=2, group_reduction="mean"),
        global_pruning=False,
        pruning_ratio=SHARE,
        head_pruning_ratio=SHARE,
        num_heads=left,
        prune_num_heads=bool(heads),
        prune_head_dims=not heads,
        ignored_layers=[layer for layer in model.modules() if _is_linear(layer) and layer not in roots],
        output_transform=_differentiable,
    )
    for group in pruner.step(interactive=True):
        group.prune()
    _mend(model, heads, pruner.num_heads, before)
    return model


def optipfair(kind: str, model: nn.Module, inputs: Inputs) -> nn.Module:
    """Optipfair: neurons of gated feed-forwards, or whole layers, the last of them by its default order."""
    import optipfair

    if kind == "heads":
        raise NotTriedError("it removes no heads")
    given: dict[str, Any] = (
        {"pruning_type": "MLP_GLU", "neuron_selection_method": "MAW", "pruning_percentage": 100 * SHARE}
        if kind == "neurons"
        else {"pruning_type": "DEPTH", "num_layers_to_remove": 1}
    )
    pruned: nn.Module = optipfair.prune_model(model, show_progress=False, **given)
    return pruned


def _is_linear(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd)) or type(layer).__name__ == "Conv1D"


def _width(layer: nn.Module) -> int:
    """Of what a layer writes."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.shape[1 if type(layer).__name__ == "Conv1D" else 0]


def _projections(model: Any) -> dict[nn.Module, int]:
    """Heads by the layer that writes them, by the usual names in modules that are called attention."""
    found: dict[nn.Module, int] = {}
    for owner in model.modules():
        if "atten" not in type(owner).__name__.lower():
            continue
        heads = _count(owner, model.config, COUNTS)
        shared = _count(owner, model.config, SHARED_COUNTS) or heads
        for name, layer in owner.named_children():
            if heads and _is_linear(layer) and name in (*QUERIES, *KEYS, *FUSED):
                found[layer] = shared if name in KEYS else heads
    return found


def _count(owner: nn.Module, config: Any, names: tuple[str, ...]) -> int:
    values = (getattr(place, name, None) for place in (owner, config) for name in names)
    return next((value for value in values if isinstance(value, int)), 0)


def _neurons(model: nn.Module, inputs: Inputs) -> set[nn.Module]:
    """The layers that write what one nonlinearity and the next layer read, and nobody else."""
    import torch_pruning as tp

    graph = tp.DependencyGraph().build_dependency(model, dict(inputs), output_transform=_differentiable, verbose=False)
    found: set[nn.Module] = set()
    for group in graph.get_all_groups(ignored_layers=list(_projections(model))):
        parts = [(item.dep.target, item.dep.handler.__name__) for item in group]
        read = any(_is_linear(part.module) and handler == "prune_in_channels" for part, handler in parts)
        said = " ".join(f"{part.name} {type(part.module).__name__}" for part, _ in parts)
        if read and any(word in said for word in NONLINEAR) and not any(word in said for word in NOT_NEURONS):
            found |= {part.module for part, handler in parts if _is_linear(part.module) and "out" in handler}
    return found


def _differentiable(outputs: Any) -> list[Tensor]:
    return [item for item in tree_leaves(outputs) if isinstance(item, Tensor) and item.requires_grad]


def _mend(model: nn.Module, heads: Mapping[nn.Module, int], left: Mapping[nn.Module, int], before: Any) -> None:
    """Tell modules how many heads and how much width their projections have left."""
    for owner in model.modules():
        for name, layer in owner.named_children():
            if layer not in heads:
                continue
            counts = SHARED_COUNTS if name in KEYS and _count(owner, None, SHARED_COUNTS) else COUNTS
            for attribute, value in list(vars(owner).items()):
                if attribute in counts and value == heads[layer]:
                    setattr(owner, attribute, left[layer])
                elif type(value) is int and name in QUERIES and value == before[layer]:
                    setattr(owner, attribute, _width(layer))


TOOLS: Mapping[str, Callable[[str, nn.Module, Inputs], nn.Module]] = {
    "torch-pruning": torch_pruning,
    "optipfair": optipfair,
}


def outputs_of(model: nn.Module, inputs: Inputs) -> list[Any]:
    """What floating-point numbers `model` gives, as arrays."""
    with torch.no_grad():
        found = tree_leaves(model(**inputs))
    return [item.numpy() for item in found if isinstance(item, Tensor) and item.is_floating_point()]


def bypass_last(dense: nn.Module, pruned: nn.Module) -> None:
    """Let the layers that `pruned` has no more, the last of their list, pass on what they read in `dense`."""
    lists = {name: part for name, part in dense.named_modules() if isinstance(part, nn.ModuleList)}
    for name, part in pruned.named_modules():
        if isinstance(part, nn.ModuleList) and name in lists:
            for layer in list(lists[name])[len(part) :]:
                layer.register_forward_hook(_pass_on, with_kwargs=True)


def _pass_on(layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> Any:
    hidden = args[0] if args else kwargs["hidden_states"]
    return (hidden, *out[1:]) if isinstance(out, tuple) else hidden
