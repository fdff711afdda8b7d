"""Sizes that a config can say are found by trying its entries; the others are named."""

from __future__ import annotations

import re

import pytest

from prunec.frontends.skeleton import skeleton
from prunec.frontends.stock import Shapes, Stock, StockConfig
from tests.architectures import ARCHITECTURES

LLAMA = {
    "q_proj.weight": (32, 48), "k_proj.weight": (16, 48), "v_proj.weight": (16, 48), "o_proj.weight": (48, 32),
    "gate_proj.weight": (20, 48), "up_proj.weight": (20, 48), "down_proj.weight": (48, 20),
}  # fmt: skip
"""Two of three groups of heads, 20 of 27 neurons."""


def stock(name: str) -> tuple[Stock, Shapes]:
    """What transformers can load of an architecture, and the shapes of it all."""
    model = ARCHITECTURES[name].model()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    return Stock(model.config, type(model), frozenset(shapes)), shapes


def cut(shapes: Shapes, sizes: Shapes) -> dict[str, tuple[int, ...]]:
    """`shapes` with other sizes of the tensors whose names end so."""
    return {
        name: next((size for end, size in sizes.items() if name.endswith(end)), shape) for name, shape in shapes.items()
    }


def test_heads_and_neurons_are_found_in_the_config() -> None:
    found, shapes = stock("llama")
    config = found.find(cut(shapes, LLAMA))
    assert isinstance(config, StockConfig)
    sizes = {name: config.config[name] for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size")}
    assert sizes == {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 20}
    assert config.names["model.layers.1.mlp.up_proj.weight"] == "model.layers.1.mlp.up_proj.weight"


def test_layers_are_numbered_anew_and_lists_of_them_shortened() -> None:
    found, shapes = stock("gemma2")
    left = {name: shape for name, shape in shapes.items() if ".layers.0." not in name}
    config = found.find(left)
    assert isinstance(config, StockConfig)
    assert config.config["num_hidden_layers"] == 1
    assert config.config["layer_types"] == found.config.to_dict()["layer_types"][1:]
    assert config.names["model.layers.1.mlp.up_proj.weight"] == "model.layers.0.mlp.up_proj.weight"
    assert not any(name.startswith("model.layers.0.") for name in config.names)
    rebuilt = type(found.config).from_dict(dict(config.config))
    assert skeleton(rebuilt, found.loader, "meta").state_dict().keys() == set(config.names.values())


@pytest.mark.parametrize(
    ("name", "sizes", "why"),
    [
        ("llama", {"0.mlp.up_proj.weight": (20, 48)}, r"layers differ: .*0.mlp.up_proj.weight is \[20, 48\], and "),
        ("bert", {"query.weight": (32, 40)}, r"no entry of the config says that .*query.weight is \[32, 40\]"),
    ],
)
def test_what_no_config_says_is_named(name: str, sizes: Shapes, why: str) -> None:
    found, shapes = stock(name)
    assert re.match(why, found.refusal(cut(shapes, sizes)))


def test_a_layer_that_is_gone_in_part_is_named() -> None:
    found, shapes = stock("llama")
    left = {name: shape for name, shape in shapes.items() if ".layers.1.mlp." not in name}
    assert found.refusal(left) == "model.layers.1.mlp.down_proj is gone, and not all of its layer"


def test_tensors_that_are_not_read_are_spare_unless_they_are_read_under_another_name() -> None:
    found, shapes = stock("bert")
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    less = Stock(found.config, found.loader, found.names - tied - {"bert.embeddings.LayerNorm.bias"})
    assert set(less.spare()) & set(shapes) == {"bert.embeddings.LayerNorm.bias"}
