"""What analyses may ask of the calibration stream, by family and by who reads it: sums over tokens or sequences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.streams import StreamStatistic
from prunec.facts import Family, Site

Key = tuple[str, str]
"""Family, and the weight that reads it (none for gradients)."""


class Statistic(ABC):
    """What is kept of the stream, per family and reading weight; neither order nor batching changes it.

    In a moving average (`fade`) order does.

    Attributes:
        name: unique among statistics.
        wants_gradients: whether it is fed mask gradients instead of activations.
        wants_keys: whether it is fed a random number a token besides.
    """

    name: ClassVar[str]
    wants_gradients: ClassVar[bool] = False
    wants_keys: ClassVar[bool] = False

    @abstractmethod
    def update(self, family: Family, values: Tensor, site: Site | None = None, keys: np.ndarray | None = None) -> None:
        """Take in a batch of activations, `[tokens, features]` read at `site`, or the gradient `[units]` of a sequence.

        `keys` `[tokens]` depend on the token's sequence and its place in it alone.
        """

    def fade(self, kept: float) -> None:  # noqa: B027 what never fades has nothing to do
        """Let all that was seen count `kept` times as much: called before each sequence of a moving average."""


class Sums(Statistic):
    """A sum over the stream. Sums of two streams add up to the sum of both."""

    def __init__(self) -> None:
        self.sums: dict[Key, np.ndarray] = {}
        self.counts: dict[Key, float] = {}

    @abstractmethod
    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """What one batch adds: `values` is `[tokens, features]` at `site`, or the gradient `[units]` of a sequence."""

    def update(self, family: Family, values: Tensor, site: Site | None = None, keys: np.ndarray | None = None) -> None:
        """Add one batch (activations, read at `site`) or one sequence (gradients)."""
        key = key_of(family, site)
        self.sums[key] = self.sums.get(key, 0.0) + self.term(values, site).double().numpy()
        self.counts[key] = self.counts.get(key, 0) + (1 if self.wants_gradients else len(values))

    def fade(self, kept: float) -> None:
        """Let sums and counts fade alike, so that means are means with weights `kept^age`, the age in sequences."""
        for key in self.sums:
            self.sums[key] = self.sums[key] * kept
            self.counts[key] *= kept

    def mean(self, family: Family, site: Site | None = None) -> np.ndarray:
        """The sum over the stream divided by the tokens (activations) or sequences (gradients) seen.

        Sites with one weight between them are one: their tokens count together.
        """
        mean: np.ndarray = self.sums[key_of(family, site)] / self.counts[key_of(family, site)]
        return mean


class FeatureSums(Sums):
    """Each feature, its size and its square: `[3, features]`, in that order."""

    name: ClassVar[str] = "feature-sums"
    PLAIN, ABSOLUTE, SQUARE = range(3)

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sums over tokens of `a`, `|a|` and `a^2`."""
        values = values.double()
        return torch.stack([values.sum(0), values.abs().sum(0), values.square().sum(0)])


class UnitMoments(Sums):
    """Second moments of the features of each unit: `[units, features per unit, features per unit]`."""

    name: ClassVar[str] = "unit-moments"

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sum over tokens of `a_u a_u^T` for each unit u."""
        assert site is not None
        order = torch.from_numpy(features_by_unit(site))
        blocks = values[:, order.reshape(-1)].view(len(values), *order.shape).transpose(0, 1)
        return blocks.transpose(1, 2) @ blocks


class Gram(Sums):
    """Second moments of all features where a family is read: `[features, features]`, 8 bytes an entry."""

    name: ClassVar[str] = "gram"

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """Sum over tokens of `a a^T`."""
        return values.T @ values


class AbsoluteGradient(Sums):
    """|dL/dm| of each unit's mask, one term a sequence: `[units]`."""

    name: ClassVar[str] = "absolute-gradient"
    wants_gradients: ClassVar[bool] = True

    def term(self, values: Tensor, site: Site | None) -> Tensor:
        """The absolute gradient of one sequence."""
        return values.abs()


class SquaredGradient(Sums):
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


def key_of(family: Family, site: Site | None) -> Key:
    """What a statistic files under: the family, and the weight that reads it."""
    return family.name, site.weight if site else ""


AnyStatistic = Statistic | StreamStatistic
Kind = TypeVar("Kind", bound=AnyStatistic)


class Collected:
    """One statistic of each kind that was asked for."""

    def __init__(self, kinds: Iterable[type[AnyStatistic]]) -> None:
        self._by_kind: dict[type, AnyStatistic] = {kind: kind() for kind in kinds}

    def __getitem__(self, kind: type[Kind]) -> Kind:
        return cast("Kind", self._by_kind[kind])

    def __contains__(self, kind: type[AnyStatistic]) -> bool:
        return kind in self._by_kind

    def __iter__(self) -> Iterator[AnyStatistic]:
        return iter(self._by_kind.values())

    def __len__(self) -> int:
        return len(self._by_kind)
