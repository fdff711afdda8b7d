"""Parts of a reshaped axis are slices of what was reshaped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.ir.test_tidy import tidied

Parts = Callable[[Tensor], Tensor]
EXAMPLE = torch.randn(3, 4, 12)


def sums(parts: tuple[Tensor, ...]) -> Tensor:
    first, *others = parts
    return sum(others, first)


def by_index(x: Tensor) -> Tensor:
    parts = x.reshape(x.shape[0], 4, 3, 2, 2).permute(2, 0, 3, 1, 4)
    return parts[0] + parts[-1]


def over_heads_and_samples(x: Tensor) -> Tensor:
    heads = x.reshape(x.shape[0], 4, 3, 2, -1).permute(2, 0, 3, 1, 4)
    return sums(heads.reshape(3, x.shape[0] * 2, 4, 2).unbind())


def through_an_axis_of_its_own(x: Tensor) -> Tensor:
    return sums(x.unflatten(-1, (3, 4)).unsqueeze(0).transpose(0, -2).squeeze(-2).unbind())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sums(x.reshape(x.shape[0], 4, 3, 4).unbind(2)),
        lambda x: sums(x.reshape(x.shape[0], x.shape[1], 3, 2, 2).unbind(-3)),
        lambda x: sums(x.unflatten(-1, (3, 2, 2)).transpose(0, 2).unbind()),
        lambda x: sums(x.unflatten(-1, (3, 4)).unflatten(0, (1, -1)).unbind(-2)),
        by_index,
        over_heads_and_samples,
        through_an_axis_of_its_own,
    ],
)
def test_parts_of_a_reshaped_axis_become_slices(function: Parts) -> None:
    left = tidied(function, EXAMPLE)
    assert "aten.slice.Tensor" in left
    assert not {"aten.unbind.int", "aten.select.int"} & set(left)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sums(x.reshape(x.shape[0], 4, 4, 3).unbind(-1)),  # every third
        lambda x: sums(x.unflatten(-1, (4, 3)).unbind(-1)),
        lambda x: sums(x.transpose(1, 2).unbind(1)),  # an axis that nothing was reshaped to
        lambda x: sums(x.reshape(x.shape[0], 12, 4).unbind(1)),  # made of two axes
        lambda x: (parts := x.reshape(x.shape[0], 4, 3, 4))[:, :, 0] + parts.sum(2),  # read as a whole, too
        lambda x: sums(x.reshape(3, -1, 4, 12).unbind()),  # as many as there are samples
    ],
)
def test_other_parts_stay_as_they_are(function: Parts) -> None:
    assert {"aten.unbind.int", "aten.select.int"} & set(tidied(function, EXAMPLE))
