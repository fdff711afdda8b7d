"""The tiny models on disk are what the other tests take them for."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer


def test_tiny_llama_loads_with_grouped_queries(tiny_llama_dir: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir)
    attention = model.model.layers[0].self_attn
    assert attention.q_proj.weight.shape == (64, 64)
    assert attention.k_proj.weight.shape == (32, 64)


def test_tiny_bert_loads(tiny_bert_dir: Path) -> None:
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert_dir)
    assert model.bert.encoder.layer[1].intermediate.dense.weight.shape == (96, 64)


@pytest.mark.parametrize("name", ["tiny_llama_dir", "tiny_bert_dir"])
def test_no_tiny_parameter_is_zero_or_one_throughout(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    auto = AutoModelForCausalLM if name == "tiny_llama_dir" else AutoModelForMaskedLM
    for parameter in auto.from_pretrained(folder).parameters():
        assert parameter.std() > 0.01
        assert torch.isfinite(parameter).all()


@pytest.mark.parametrize("name", ["tiny_llama_dir", "tiny_bert_dir"])
def test_tiny_tokenizer_gives_back_any_text(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = AutoTokenizer.from_pretrained(request.getfixturevalue(name))
    text = "Dünn, but whole."
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
