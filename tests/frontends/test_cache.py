"""A decoder traced with its key-value cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, MambaConfig, MambaForCausalLM, PreTrainedModel

from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.frontends.module import trace
from tests.architectures import ARCHITECTURES, VOCABULARY


def step(model: PreTrainedModel, past: int, length: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs of a program for `length` tokens after `past` others, and what the model itself makes of them.

    One row has padding on the left; the model is told positions as generation tells them.
    """
    generator = torch.Generator().manual_seed(past)
    tokens = torch.randint(3, VOCABULARY, (3, past + length), generator=generator)
    mask = torch.ones_like(tokens)
    mask[0, :2] = 0
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        cache = DynamicCache()
        if past:
            before = {"attention_mask": mask[:, :past], "position_ids": places[:, :past]}
            model(tokens[:, :past], past_key_values=cache, **before)
        inputs = {"input_ids": tokens[:, past:], "attention_mask": mask} | named(cache, "past_key_values")
        now = {"attention_mask": mask, "position_ids": places[:, past:]}
        made = model(tokens[:, past:], past_key_values=cache, **now)
    return inputs, {"logits": made.logits} | named(made.past_key_values, "present")


def named(cache: DynamicCache, prefix: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    layers: list[Any] = cache.layers
    for index, layer in enumerate(layers):
        tensors |= {f"{prefix}.{index}.key": layer.keys, f"{prefix}.{index}.value": layer.values}
    return tensors


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen3", "opt", "phi", "gpt_bigcode", "gemma2"])
@pytest.mark.parametrize(("past", "length"), [(6, 5), (9, 1), (0, 7)])
def test_equals_the_model_at_another_past(name: str, past: int, length: int) -> None:
    model = ARCHITECTURES[name].model()
    program = trace(model, ARCHITECTURES[name].example(2, 7), with_cache=True).program
    inputs, expected = step(model, past, length)
    got = program(inputs)
    assert list(got) == list(expected)
    for output, value in expected.items():
        torch.testing.assert_close(got[output], value, atol=1e-5, rtol=1e-4)


def test_inputs_outputs_and_axes_have_the_usual_names() -> None:
    program = trace(ARCHITECTURES["llama"].model(), ARCHITECTURES["llama"].example(2, 7), with_cache=True).program
    axes = {item.name: dict(item.axes) for item in program.inputs}
    assert axes["input_ids"] == {0: "batch", 1: "sequence"}
    assert axes["attention_mask"] == {0: "batch", 1: "past + sequence"}
    assert axes["position_ids"] == {0: "batch", 1: "sequence"}
    assert axes["past_key_values.1.value"] == {0: "batch", 2: "past"}
    assert program.example["past_key_values.0.key"].shape == (2, 3, 4, 8)
    assert [(pair.past, pair.present) for pair in program.caches][:2] == [
        ("past_key_values.0.key", "present.0.key"),
        ("past_key_values.0.value", "present.0.value"),
    ]
    assert "  input %past_key_values.0.key: float32 (0=batch, 2=past) -> present.0.key\n" in program.text()


def test_a_folder_can_be_loaded_with_a_cache(tiny_llama_dir: Path) -> None:
    assert len(load(tiny_llama_dir, with_cache=True).program.caches) == 6


def test_without_a_cache_nothing_is_handed_on() -> None:
    program = trace(ARCHITECTURES["llama"].model(), ARCHITECTURES["llama"].example(2, 7)).program
    assert (program.outputs, program.caches) == (("logits",), ())


def test_a_model_that_keeps_something_else_is_refused() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, state_size=4))
    with pytest.raises(InputError, match="MambaForCausalLM cannot be traced with a key-value cache: it"):
        trace(model, {"input_ids": torch.randint(0, 50, (2, 5))}, with_cache=True)


def test_an_encoder_is_refused() -> None:
    architecture = ARCHITECTURES["bert"]
    with pytest.raises(InputError, match="BertForMaskedLM cannot be traced with a key-value cache"):
        trace(architecture.model(), architecture.example(2, 7), with_cache=True)


def test_a_cache_among_the_example_inputs_is_refused() -> None:
    with pytest.raises(InputError, match=r"past_key_values is a DynamicCache\. trace with_cache=True"):
        trace(
            ARCHITECTURES["llama"].model(), ARCHITECTURES["llama"].example(2, 7) | {"past_key_values": DynamicCache()}
        )


def test_a_plain_module_is_refused() -> None:
    with pytest.raises(InputError, match="Linear is no transformers model"):
        trace(torch.nn.Linear(2, 2), {"input": torch.ones(2, 2)}, with_cache=True)
