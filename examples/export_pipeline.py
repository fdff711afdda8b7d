"""prunec's passes inside an export pipeline that is there already: prune an `nn.Module`, then export it as before.

    python examples/export_pipeline.py slim.onnx

What `prunec.compile` gives without an output is a module again, an ordinary one with smaller layers, and whatever
exported the dense module exports that. Here this is `torch.onnx.export`; nothing of prunec writes the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional

import prunec

PASSES = (
    "structure, baseline{seconds=0}, cost, calibrate{score=256, choose=256, report=256}, importance, damage, knapsack, "
    "remove, recover"
)
"""Scoring, choosing, removal and repair; no emission, and no measurement of it."""


class Block(nn.Module):
    """Attention and a feed-forward, each added to what it read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, sequence, width]` to the same."""
        batch, length, width = x.shape
        read = self.norms[0](x)
        heads = (
            layer(read).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(*heads)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        added: Tensor = x + self.down(functional.gelu(self.up(self.norms[1](x))))
        return added


class Tagger(nn.Module):
    """Tells for each event of a series, one of 50 kinds, which of 5 things it is a sign of."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.head = nn.Embedding(50, 64), nn.Linear(64, 5)
        self.blocks = nn.Sequential(Block(64, 4), Block(64, 4))

    def forward(self, events: Tensor) -> Tensor:
        """Numbers `[batch, sequence]` to logits `[batch, sequence, 5]`."""
        logits: Tensor = self.head(self.blocks(self.into(events)))
        return logits


def slim(model: nn.Module, example: Tensor, data: list[Tensor], parameters: int) -> nn.Module:
    """`model` cut to so many parameters by what it does on `data`."""
    batches = [{"events": item} for item in data]
    result = prunec.compile(
        model, budget_params=parameters, example_inputs={"events": example}, batches=batches, passes=PASSES
    )
    return result.program.module


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """The export that was there before: for any number of series, of one length."""
    torch.onnx.export(
        model,
        (example,),
        path,
        input_names=["events"],
        output_names=["logits"],
        dynamic_shapes=({0: Dim.DYNAMIC},),
        dynamo=True,
        verbose=False,
    )


def main(path: Path) -> None:
    """Prune and export a tagger; its random weights and data stand for trained ones."""
    torch.manual_seed(0)
    model, data = Tagger().eval(), [torch.randint(50, (4, 32)) for _ in range(12)]
    whole = sum(parameter.numel() for parameter in model.parameters())
    pruned = slim(model, data[0], data, whole // 2)
    export(pruned, data[0], path)
    left = sum(tensor.numel() for tensor in pruned.state_dict().values())
    print(f"{path}: {left:,} of {whole:,} parameters")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "slim.onnx"))
