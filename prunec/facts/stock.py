"""What stock loaders take, as far as it can be asked before anything is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of every tensor that a slim program reads, by name."""


@dataclass(frozen=True)
class Loadable:
    """Which slim programs the library that a model comes from can load by itself.

    Attributes:
        refusal: in a few words, why it cannot load one with tensors of these shapes; empty where it can.
    """

    refusal: Callable[[Shapes], str]
