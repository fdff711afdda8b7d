"""Programs that both backends emit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from prunec.frontends.huggingface import load
from prunec.ir.program import Program
from tests.backends.agreement import text_inputs
from tests.programs import program_from_module

TEXT_AXES = {name: {0: "batch", 1: "sequence"} for name in ("input_ids", "attention_mask")}


class Attention(nn.Module):
    """Causal attention with its own number of heads, on rotated halves."""

    def __init__(self, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.qkv = nn.Linear(width, 3 * heads * size)
        self.out = nn.Linear(heads * size, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        split = self.qkv(x).view(batch, length, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        query, key, value = split[0], split[1], split[2]
        half = self.size // 2
        query = torch.cat([-query[..., half:], query[..., :half]], -1)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, mask)
        result: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, self.heads * self.size))
        return result


class Text(nn.Module):
    """A small decoder whose layers differ: 3 heads then 1, 24 neurons then 5."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.attentions = nn.ModuleList([Attention(16, 3, 8), Attention(16, 1, 8)])
        self.ups = nn.ModuleList([nn.Linear(16, 24), nn.Linear(16, 5)])
        self.downs = nn.ModuleList([nn.Linear(24, 16), nn.Linear(5, 16)])
        self.norm = nn.LayerNorm(16)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        positions = torch.arange(input_ids.shape[1])
        causal = positions[None, :] <= positions[:, None]
        mask = causal[None, None] & attention_mask[:, None, None, :].to(torch.bool)
        x = self.embedding(input_ids) + (positions / 7.0)[None, :, None]
        for attention, up, down in zip(self.attentions, self.ups, self.downs, strict=True):
            x = x + attention(self.norm(x), mask)
            x = x + down(nn.functional.silu(up(self.norm(x))))
        x = self.norm(x)
        return nn.functional.linear(x, self.embedding.weight), x.mean(1)


@pytest.fixture(scope="session")
def text() -> Program:
    """The program of `Text`, with random weights; rows of padding attend to nothing."""
    torch.manual_seed(0)
    return program_from_module(Text(), text_inputs(2, 5), TEXT_AXES)


@pytest.fixture(scope="session")
def llama(tiny_llama_dir: Path) -> Program:
    """A random Llama as the frontend gives it."""
    return load(tiny_llama_dir).program


@pytest.fixture(scope="session")
def bert(tiny_bert_dir: Path) -> Program:
    """A random BERT as the frontend gives it."""
    return load(tiny_bert_dir).program
