"""What analyses may ask of the residual stream: sums over tokens, by sublayer, of the stream before and after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from prunec.facts import Sublayer


class StreamStatistic(ABC):
    """What is kept of the residual stream, per sublayer; neither order nor batching changes it.

    In a moving average (`fade`) order does.

    Attributes:
        name: unique among statistics.
    """

    name: ClassVar[str]

    @abstractmethod
    def fade(self, kept: float) -> None:
        """Let all that was seen count `kept` times as much: called before each sequence of a moving average."""

    @abstractmethod
    def update(self, sublayer: Sublayer, before: Tensor, after: Tensor) -> None:
        """Take in a batch of the stream before the addition of `sublayer` and after it, `[tokens, features]` each."""


class Cosines(StreamStatistic):
    """The cosine between the stream before and after each sublayer; two vectors of zeros are alike."""

    name: ClassVar[str] = "cosines"

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def fade(self, kept: float) -> None:
        """Let sums and counts fade alike, so that means are weighted means."""
        for name in self.sums:
            self.sums[name] *= kept
            self.counts[name] *= kept

    def update(self, sublayer: Sublayer, before: Tensor, after: Tensor) -> None:
        """Add one batch, in double precision: a cosine near 1 keeps few digits of what it lacks."""
        before, after = before.double(), after.double()
        sizes = before.norm(dim=-1) * after.norm(dim=-1)
        alike = (before == after).all(-1)
        cosines = torch.where(alike, 1.0, (before * after).sum(-1) / sizes.clamp(min=torch.finfo(sizes.dtype).tiny))
        self.sums[sublayer.name] = self.sums.get(sublayer.name, 0.0) + float(cosines.sum())
        self.counts[sublayer.name] = self.counts.get(sublayer.name, 0) + len(cosines)

    def mean(self, sublayer: Sublayer) -> float:
        """The mean over the tokens seen."""
        return self.sums[sublayer.name] / self.counts[sublayer.name]
