"""Sums by token: how strongly the units of each family respond where a token stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.statistics import features_by_unit
from prunec.calibration.tokens import Batch, token_ids
from prunec.facts import Family, Site


class TokenStatistic(ABC):
    """What is kept of activations by the token that each belongs to; neither order nor batching changes it."""

    @abstractmethod
    def update(self, family: Family, values: Tensor, site: Site, ids: Tensor | None) -> None:
        """Take in a batch of activations, `[tokens, features]` read at `site`, and the ids of their tokens `[tokens]`.

        `ids` is None where what the site reads is not one row a token of `input_ids`.
        """


@dataclass(frozen=True)
class Response:
    """How strongly the units of one family respond, by the size of what they hand on, |a|.

    Attributes:
        overall: mean over all tokens, `[units]`.
        means: mean over the occurrences of each token, `[tokens, units]`.
        variances: of |a| among the occurrences of each token, estimated with `occurrences - 1`, `[tokens, units]`.
        occurrences: how often each token was read, `[tokens]`.
    """

    overall: Tensor
    means: Tensor
    variances: Tensor
    occurrences: Tensor


class TokenResponses(TokenStatistic):
    """Sums of |a| and of its square over the occurrences of chosen tokens, and of |a| over all tokens.

    The size of a unit with several features, such as a head, is the mean of theirs; where several sites read a family,
    each is an occurrence of its own. 16 bytes a unit and token: `pair_bytes`.

    Args:
        tokens: the ids that are told apart, `[tokens]`.
    """

    pair_bytes = 16

    def __init__(self, tokens: np.ndarray) -> None:
        self._tokens = torch.from_numpy(tokens)
        self._sums: dict[str, Tensor] = {}
        self._totals: dict[str, Tensor] = {}
        self._occurrences: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}
        self._left_out: set[str] = set()

    def update(self, family: Family, values: Tensor, site: Site, ids: Tensor | None) -> None:
        """Add one batch; a family without ids is left out for good."""
        name, tokens = family.name, len(self._tokens)
        if ids is None:
            self._left_out.add(name)
            self._sums.pop(name, None)
        if name in self._left_out:
            return
        if name not in self._sums:
            self._sums[name] = torch.zeros(2, tokens, family.units, dtype=torch.float64)
            self._totals[name] = torch.zeros(family.units, dtype=torch.float64)
            self._occurrences[name], self._rows[name] = torch.zeros(tokens, dtype=torch.int64), 0
        assert ids is not None
        order = torch.from_numpy(features_by_unit(site))
        # Selected flat: indexing by the whole table is ten times as slow, and this is done for every batch and site.
        sizes = values.index_select(1, order.reshape(-1)).abs().double().view(len(values), *order.shape).mean(-1)
        which, row = (ids[:, None] == self._tokens).nonzero(as_tuple=True)
        self._totals[name] += sizes.sum(0)
        self._rows[name] += len(sizes)
        self._sums[name][0].index_add_(0, row, sizes[which])
        self._sums[name][1].index_add_(0, row, sizes[which].square())
        self._occurrences[name] += row.bincount(minlength=tokens)

    def __contains__(self, family: str) -> bool:
        """Whether the family was read, and by each of its sites token by token."""
        return family in self._sums

    def response(self, family: Family) -> Response:
        """What was read of `family`, which is among these."""
        (sums, squares), occurrences = self._sums[family.name], self._occurrences[family.name]
        counts = occurrences[:, None]
        means = sums / counts
        variances = ((squares - sums * means) / (counts - 1)).clamp(min=0)
        return Response(self._totals[family.name] / self._rows[family.name], means, variances, occurrences)


def frequent_tokens(batches: Sequence[Batch], least: int, most: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The tokens that occur `least` times or more in `batches`, the `most` frequent of them.

    Returns:
        Their ids and how often each occurs, `[tokens]`, most frequent first (of equals the lower id), and how many
        tokens the text has in all, padding left out.
    """
    found = [token_ids(batch["input_ids"].shape, batch) for batch in batches]
    text = torch.cat([ids for ids in found if ids is not None])
    ids, counts = (part.numpy() for part in text.unique(return_counts=True))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= least][:most]
    return ids[order], counts[order], len(text)
