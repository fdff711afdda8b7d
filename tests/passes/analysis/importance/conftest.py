"""The tiny Llama with transformers' own modules, to compute scores by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedModel


@pytest.fixture(scope="session")
def module(tiny_llama_dir: Path) -> PreTrainedModel:
    """The model whose program is the fixture `llama`."""
    model: PreTrainedModel = LlamaForCausalLM.from_pretrained(tiny_llama_dir)
    model.eval()
    return model
