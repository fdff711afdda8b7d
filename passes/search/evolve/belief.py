"""What is believed of how much each place's damage weighs among all others, after the plans measured so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

DOUBT = 0.7
"""How far a place's weight may be from 1, as a standard deviation, before anything is measured."""
NOISE = 0.01
"""Standard deviation of a measurement about the sum, as a share of it, for the plan nearest to the best."""
BEND = 0.3
"""How much that deviation grows with the distance from the best: damage bends, and the sum is a tangent."""
LIGHTEST, HEAVIEST = 0.05, 20.0


@dataclass
class Belief:
    """Bayesian linear regression of true damage on the damages that were measured one place at a time.

    The damage of a plan is taken as `sum_i w_i x_i`, where `x_i` is what place i lost alone, with a normal prior
    about `s` for each weight `w_i`. `s` is the damage of the first plan over its sum: what all places share makes no
    difference to a choice. Weights are given over `s`.

    Attributes:
        rows: `[plans][places]`, the `x` of every plan.
        damages: what was measured of each.
    """

    rows: list[np.ndarray] = field(default_factory=list)
    damages: list[float] = field(default_factory=list)

    def observe(self, row: np.ndarray, damage: float) -> None:
        """Take in the measured damage of a plan whose places lost `row` `[places]` alone."""
        self.rows.append(row)
        self.damages.append(damage)

    def drawn(self, generator: np.random.Generator) -> np.ndarray:
        """Weights `[places]` from the posterior, by Matheron's rule: a draw from the prior and what that misses."""
        rows, damages, deviation = self._tables()
        prior = 1 + DOUBT * generator.standard_normal(rows.shape[1])
        missed = damages - rows @ prior - deviation * generator.standard_normal(len(damages))
        return self._bounded(prior + self._correction(missed, rows, deviation))

    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, damages over the scale `s`, and the standard deviation of each damage about its sum."""
        rows, damages = np.array(self.rows), np.array(self.damages)
        damages = damages / (damages[0] / rows[0].sum())
        least = damages.min()
        return rows, damages, NOISE * least + BEND * (damages - least)

    @staticmethod
    def _correction(missed: np.ndarray, rows: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        gram = DOUBT**2 * rows @ rows.T + np.diag(deviation**2)
        return DOUBT**2 * rows.T @ np.linalg.solve(gram, missed)

    @staticmethod
    def _bounded(weights: np.ndarray) -> np.ndarray:
        return weights.clip(LIGHTEST, HEAVIEST)
