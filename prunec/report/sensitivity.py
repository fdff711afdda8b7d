"""How much what goes, and what is lost, depend on the calibration text: frozen, plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from prunec.report.codec import encode
from prunec.report.data import Data, Machine, Stage, TextLoss
from prunec.report.overlap import Overlap

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class PlanOutcome:
    """One plan, and how well the program without what goes does on every text.

    Attributes:
        name: of the text that it was made by, or `all texts`.
        removed: how many units of each kind go, those of dropped sublayers included; `sublayer`: how many of these.
        sublayers: the names of those that are dropped.
        parameters: of the slim program.
        predicted_cost: by the cost model, in the unit of the budget; predicted_damage: in that of the objective.
        texts: dense and slim, on the reporting part of each text.
        stages: what was run for it.
    """

    name: str
    removed: Mapping[str, int]
    sublayers: tuple[str, ...]
    parameters: int
    predicted_cost: float | None
    predicted_damage: float | None
    texts: tuple[TextLoss, ...]
    stages: tuple[Stage, ...]

    def on(self, text: str) -> TextLoss:
        """What was measured on `text`."""
        return next(item for item in self.texts if item.name == text)


@dataclass(frozen=True)
class Worst:
    """Where a plan loses most. Both figures are in the unit of the report, and above 0 where the plan is worse.

    Attributes:
        plan: its name.
        text: where it loses most against the dense model.
        over_dense: what it loses there.
        over_own: how much worse it is there than the plan made by that text.
    """

    plan: str
    text: str
    over_dense: float
    over_own: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """One budget, met by one plan for each calibration text and one for all of them.

    Attributes:
        prunec: the version that measured.
        source, model_class, task, parameters: of the dense model.
        budget: as asked, such as `1.5x`.
        workload: what a latency is of.
        pipeline: what was run for each plan; the structure, the baseline and the costs are shared.
        recovery: its part that repairs the slim program before it is measured; empty where nothing does.
        given: options as given.
        texts: the calibration texts by name, in the order given.
        metric: what the texts' figures are in.
        higher_is_better: whether a higher figure is the better one.
        plans: one by each text, in that order, then the one by all of them in equal shares.
        overlaps: of every two plans.
        stages: those that all plans share.
    """

    version: int = VERSION
    prunec: str
    source: str
    model_class: str
    task: str
    parameters: int
    budget: str
    workload: str
    machine: Machine
    pipeline: str
    recovery: str
    given: Mapping[str, object]
    texts: Mapping[str, Data]
    metric: str
    higher_is_better: bool
    plans: tuple[PlanOutcome, ...]
    overlaps: tuple[Overlap, ...]
    stages: tuple[Stage, ...]
    seconds: float
    warnings: tuple[str, ...] = ()
    derived: ClassVar[tuple[str, ...]] = ("worst",)

    @property
    def worst(self) -> tuple[Worst, ...]:
        """Where each plan loses most."""
        return tuple(self._worst(plan) for plan in self.plans)

    def plan(self, name: str) -> PlanOutcome:
        """The plan called `name`."""
        return next(plan for plan in self.plans if plan.name == name)

    def over_own(self, plan: PlanOutcome, text: str) -> float:
        """How much worse `plan` is on `text` than the plan made by that text; below 0 where it is better."""
        return self._loss(self.plan(text).on(text).slim, plan.on(text).slim)

    def to_json(self) -> str:
        """Everything as JSON text."""
        return encode(self)

    def _worst(self, plan: PlanOutcome) -> Worst:
        losses = {item.name: self._loss(item.dense, item.slim) for item in plan.texts}
        text = max(losses, key=losses.__getitem__)
        return Worst(plan.name, text, losses[text], self.over_own(plan, text))

    def _loss(self, before: float, after: float) -> float:
        return before - after if self.higher_is_better else after - before
