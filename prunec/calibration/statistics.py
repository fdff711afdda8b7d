"""What analyses may ask of the calibration stream: sums over tokens or sequences, by family and by who reads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.facts import Family, Site

Key = tuple[str, str]
"""Family, and the weight that reads it (none for gradients)."""


class Statistic(ABC):
    """A sum over the stream, per family and reading weight. Sums of two streams add up to the sum of both.

    Attributes:
        name: unique among statistics.
        wants_gradients: whether it is fed mask gradients instead of activations.
    """

    name: ClassVar[str]
    wants_gradients: ClassVar[bool] = False

    def __init__(self) -> None:
        self.sums: dict[Key, np.ndarray] = {}
        self.counts: dict[Key, int] = {}

    @abstractmethod
    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """What one batch adds: `values` is `[tokens, features]` at `site`, or the gradient `[units]` of a sequence."""

    def update(self, family: Family, values: Tensor, site: Site | None = None) -> None:
        """Add one batch (activations, read at `site`) or one sequence (gradients)."""
        key = _key(family, site)
        self.sums[key] = self.sums.get(key, 0.0) + self.term(values, site).double().numpy()
        self.counts[key] = self.counts.get(key, 0) + (1 if self.wants_gradients else len(values))

    def mean(self, family: Family, site: Site | None = None) -> np.ndarray:
        """The sum over the stream divided by the tokens (activations) or sequences (gradients) seen.

        Sites with one weight between them are one: their tokens count together.
        """
        mean: np.ndarray = self.sums[_key(family, site)] / self.counts[_key(family, site)]
        return mean


class FeatureSums(Statistic):
    """Each feature, its size and its square: `[3, features]`, in that order."""

    name: ClassVar[str] = "feature-sums"
    PLAIN, ABSOLUTE, SQUARE = range(3)

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sums over tokens of `a`, `|a|` and `a^2`."""
        values = values.double()
        return torch.stack([values.sum(0), values.abs().sum(0), values.square().sum(0)])


class UnitMoments(Statistic):
    """Second moments of the features of each unit: `[units, features per unit, features per unit]`."""

    name: ClassVar[str] = "unit-moments"

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sum over tokens of `a_u a_u^T` for each unit u."""
        assert site is not None
        order = torch.from_numpy(features_by_unit(site))
        blocks = values[:, order.reshape(-1)].view(len(values), *order.shape).transpose(0, 1)
        return blocks.transpose(1, 2) @ blocks


class Gram(Statistic):
    """Second moments of all features where a family is read: `[features, features]`, 8 bytes an entry."""

    name: ClassVar[str] = "gram"

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sum over tokens of `a a^T`."""
        return values.T @ values


class AbsoluteGradient(Statistic):
    """|dL/dm| of each unit's mask, one term a sequence: `[units]`."""

    name: ClassVar[str] = "absolute-gradient"
    wants_gradients: ClassVar[bool] = True

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """The absolute gradient of one sequence."""
        return values.abs()


class SquaredGradient(Statistic):
    """(dL/dm)^2 of each unit's mask, one term a sequence: `[units]`."""

    name: ClassVar[str] = "squared-gradient"
    wants_gradients: ClassVar[bool] = True

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """The squared gradient of one sequence."""
        return values.square()


def features_by_unit(site: Site) -> np.ndarray:
    """Feature indices of each unit at a site: `[units, features per unit]`."""
    order = np.argsort(site.unit_of, kind="stable")
    order = order[site.unit_of[order] >= 0]
    return order.reshape(int(site.unit_of.max()) + 1, -1)


def _key(family: Family, site: Site | None) -> Key:
    return family.name, site.weight if site else ""


def instances(kinds: Iterable[type[Statistic]]) -> Mapping[type[Statistic], Statistic]:
    """One fresh statistic of each kind."""
    return {kind: kind() for kind in kinds}
