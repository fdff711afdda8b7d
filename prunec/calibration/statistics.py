"""What analyses may ask of the calibration stream: sums over tokens or sequences, one array a family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from prunec.facts import Family


class Statistic(ABC):
    """A sum over the stream, per family. Sums of two streams add up to the sum of both.

    Attributes:
        name: unique among statistics.
        wants_gradients: whether it is fed mask gradients instead of activations.
    """

    name: ClassVar[str]
    wants_gradients: ClassVar[bool] = False

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {}

    @abstractmethod
    def term(self, family: Family, values: Tensor) -> Tensor:
        """What one batch adds. `values` is `[tokens, features]`, or the gradient `[units]` of one sequence."""

    def update(self, family: Family, values: Tensor) -> None:
        """Add one batch (activations) or one sequence (gradients)."""
        term = self.term(family, values).double().numpy()
        self.sums[family.name] = self.sums.get(family.name, 0.0) + term
        self.counts[family.name] = self.counts.get(family.name, 0) + (1 if self.wants_gradients else len(values))

    def mean(self, family: Family) -> np.ndarray:
        """The sum over the stream divided by the tokens (activations) or sequences (gradients) seen."""
        mean: np.ndarray = self.sums[family.name] / self.counts[family.name]
        return mean


class UnitMoments(Statistic):
    """Second moments of the features of each unit: `[units, features per unit, features per unit]`."""

    name: ClassVar[str] = "unit-moments"

    def term(self, family: Family, values: Tensor) -> Tensor:
        """Sum over tokens of `a_u a_u^T` for each unit u."""
        order = torch.from_numpy(features_by_unit(family))
        blocks = values[:, order.reshape(-1)].view(len(values), *order.shape).transpose(0, 1)
        return blocks.transpose(1, 2) @ blocks


class Gram(Statistic):
    """Second moments of all features of a family: `[features, features]`, 8 bytes an entry."""

    name: ClassVar[str] = "gram"

    def term(self, family: Family, values: Tensor) -> Tensor:
        """Sum over tokens of `a a^T`."""
        return values.T @ values


class AbsoluteGradient(Statistic):
    """|dL/dm| of each unit's mask, one term a sequence: `[units]`."""

    name: ClassVar[str] = "absolute-gradient"
    wants_gradients: ClassVar[bool] = True

    def term(self, family: Family, values: Tensor) -> Tensor:
        """The absolute gradient of one sequence."""
        return values.abs()


class SquaredGradient(Statistic):
    """(dL/dm)^2 of each unit's mask, one term a sequence: `[units]`."""

    name: ClassVar[str] = "squared-gradient"
    wants_gradients: ClassVar[bool] = True

    def term(self, family: Family, values: Tensor) -> Tensor:
        """The squared gradient of one sequence."""
        return values.square()


def features_by_unit(family: Family) -> np.ndarray:
    """Feature indices of each unit at the family's site: `[units, features per unit]`."""
    order = np.argsort(family.site.unit_of, kind="stable")
    order = order[family.site.unit_of[order] >= 0]
    return order.reshape(family.units, -1)


def instances(kinds: Iterable[type[Statistic]]) -> Mapping[type[Statistic], Statistic]:
    """One fresh statistic of each kind."""
    return {kind: kind() for kind in kinds}
