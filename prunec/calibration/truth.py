"""What whole plans lose: measured with everything masked that goes and everything re-fitted that stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from torch import Tensor

from prunec.calibration.compensation import refitted
from prunec.calibration.objective import Objective
from prunec.calibration.removal import Probe
from prunec.calibration.tokens import Batch
from prunec.facts import Plan, SecondMoments, Structure
from prunec.ir.program import Program

FITS = 4
"""How many re-fits are remembered, in families: plans that follow one another differ in a few."""


class Truth:
    """Measures plans, what is left of each family re-fitted as far as moments are known."""

    def __init__(
        self, program: Program, structure: Structure, objective: Objective, moments: SecondMoments | None
    ) -> None:
        self.program, self.structure, self.objective, self.moments = program, structure, objective, moments
        self._fit = lru_cache(FITS * len(structure.families))(self._fitted)

    def on(self, batches: Sequence[Batch]) -> Callable[[Plan], float]:
        """What gives the mean damage of a plan on `batches`, in the objective's unit."""
        probe = Probe(self.program, self.structure, self.objective, batches)
        return lambda plan: probe.damage(plan, None, self._weights(plan))

    def _weights(self, plan: Plan) -> dict[str, Tensor]:
        gone = self.structure.gone_with(plan.sublayers)
        weights: dict[str, Tensor] = {}
        for name, removed in plan.units.items():
            if name not in gone:
                weights |= self._fit(name, removed)
        return weights

    def _fitted(self, name: str, removed: tuple[int, ...]) -> dict[str, Tensor]:
        moments = self.moments.sites[name] if self.moments else {}
        return refitted(self.program, self.structure.family(name), removed, moments) if moments else {}
