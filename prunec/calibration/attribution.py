"""From sums by token to what units answer to: relative responses, their lower limits, and who carries a token.

After Neuron Semantic Attribution (Ding, Sun, Fu and Hu, arXiv 2503.01542), which matches neurons to words by the mean
of |a_k| where w stands, and compares before and after pruning; its code is not published. Ours departs in that
responses are shares of each unit's own mean, so that units of massive activation carry no more than others, that few
occurrences must be the more alike to count, and that what a removal loses stands beside what a random one would.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from prunec.calibration.tokensums import Response
from prunec.facts import Answers

LEVEL = 0.05
"""How often chance alone makes a unit answer to some token, as far as occurrences are independent."""


def relative(response: Response, overall: Tensor | None = None) -> Tensor:
    """`s(k, w)`, the mean of |a_k| where w stands over `overall`, by default its mean over all tokens.

    `[tokens, units]`; 0 for a unit that is silent throughout.
    """
    whole = response.overall if overall is None else overall
    return torch.where(whole > 0, response.means / whole, 0.0)


def lower_limits(response: Response) -> Tensor:
    """`s(k, w) - q SE(k, w)`, `[tokens, units]`: what the relative response is at least.

    `SE` is the standard error of the mean over the occurrences of w, in shares of the unit's mean, and q the quantile
    of Student's t with as many degrees as there are occurrences less one, at `LEVEL` over the number of tokens
    (Bonferroni). One accident among few occurrences makes the error as large as the mean. Occurrences count as
    independent; minus infinity for a unit that is silent throughout.
    """
    quantiles = student.isf(LEVEL / len(response.occurrences), response.occurrences.numpy() - 1)
    errors = (response.variances / response.occurrences[:, None]).sqrt() * torch.from_numpy(quantiles)[:, None]
    limits = (response.means - errors) / response.overall
    return torch.where(response.overall > 0, limits, -torch.inf)


def answers(response: Response, top: int) -> Answers:
    """The `top` tokens of each unit by lower limit, among those where it is above 1, the unit's own mean."""
    limits = lower_limits(response)
    found = limits.topk(min(top, len(limits)), dim=0)
    above = found.values > 1
    responses = torch.where(above, relative(response).gather(0, found.indices), 0.0)
    tokens = torch.where(above, found.indices, -1)
    return Answers(response.overall.numpy(), tokens.T.numpy(), responses.T.numpy())


class Carriers:
    """The units that carry each token: of all families, the `count` with the highest lower limits.

    Families come by one after the other, so that no more than one of them is held against all tokens.

    Attributes:
        count: how many carry each.
        units: `[tokens, carriers]`, counted through all families in the order in which they came.
        responses: their relative responses, `[tokens, carriers]`.
    """

    def __init__(self, tokens: int, count: int) -> None:
        self.count, self._first = count, 0
        self._limits = torch.empty(tokens, 0, dtype=torch.float64)
        self.units = torch.empty(tokens, 0, dtype=torch.int64)
        self.responses = torch.empty(tokens, 0, dtype=torch.float64)

    def offer(self, response: Response) -> None:
        """Take in the next family."""
        units = torch.arange(self._first, self._first + len(response.overall)).expand_as(response.means)
        self._first += len(response.overall)
        limits = torch.cat([self._limits, lower_limits(response)], dim=1)
        found = limits.topk(min(self.count, limits.shape[1]), dim=1)
        self._limits = found.values
        self.units = torch.cat([self.units, units], dim=1).gather(1, found.indices)
        self.responses = torch.cat([self.responses, relative(response)], dim=1).gather(1, found.indices)


class Loss:
    """What a removal takes from carriers, in shares of `sum of s(k, w)` over them.

    `D(w) = sum over carriers of (s(k, w) - s'(k, w)) / sum of s(k, w)`, where s' is the response after the removal in
    shares of the mean before it. Families come by as they did for the carriers.
    """

    def __init__(self, carriers: Carriers) -> None:
        self._carriers, self._first = carriers, 0
        self._whole = carriers.responses.sum(1)
        self._lost, self._removed, self._random = (torch.zeros_like(self._whole) for _ in range(3))

    def add(self, after: Tensor, gone: Tensor) -> None:
        """Take in the next family.

        Args:
            after: s', `[tokens, units]`.
            gone: which units were removed, bool `[units]`. Of as many drawn at random, a carrier is among them with a
                probability of the share that they are of all: what is then lost is known without a draw.
        """
        units = self._carriers.units - self._first
        inside = (units >= 0) & (units < len(gone))
        index = units.clamp(0, len(gone) - 1)
        before = torch.where(inside, self._carriers.responses, 0.0)
        self._first += len(gone)
        self._lost += before.sum(1) - torch.where(inside, after.gather(1, index), 0.0).sum(1)
        self._removed += torch.where(gone[index], before, 0.0).sum(1)
        self._random += gone.double().mean() * before.sum(1)

    def shares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each token: lost in all, had by removed units, and expected of removed units drawn at random."""
        whole = self._whole.clamp(min=torch.finfo(self._whole.dtype).tiny)
        lost, removed, random = ((part / whole).numpy() for part in (self._lost, self._removed, self._random))
        return lost, removed, random
