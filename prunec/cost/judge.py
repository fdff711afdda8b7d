"""Judging an artifact: what it costs now and what it had to hold, and what that says about the cost model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from prunec.cost.measure import Timing, interleaved, paired_ratio, workload_inputs
from prunec.cost.target import Artifact, Baseline, Round, Target
from prunec.facts import Ceiling, CostModel, Plan
from prunec.ir.program import Program


@dataclass(frozen=True)
class Judgement:
    """One artifact, timed by turns with the dense one.

    Attributes:
        slim, dense: the timings.
        round: predicted, measured and asked, all on the clock of these timings.
        pace: of this clock over the baseline's: the machine may have changed its pace since.
    """

    slim: Timing
    dense: Timing
    round: Round
    pace: float

    @property
    def holds(self) -> bool:
        """Whether the budget holds."""
        return self.round.measured <= self.round.ceiling

    def corrected(self, costs: CostModel, ceiling: Ceiling) -> CostModel | None:
        """`costs` with what was measured beyond the prediction added to its constant.

        None where nothing was predicted, or nothing would be left to save: another search could only fail.
        """
        if self.round.predicted is None:
            return None
        constant = costs.constant + (self.round.measured - self.round.predicted) / self.pace
        return replace(costs, constant=constant) if constant < ceiling.value else None


def judge(
    program: Program,
    dense: Program,
    artifact: Artifact,
    plan: Plan,
    target: Target,
    baseline: Baseline,
    ceiling: Ceiling,
    *,
    seconds: float,
    seed: int,
) -> Judgement:
    """Time `artifact`, which was emitted from `program` after `plan`, beside that of `dense` for `seconds`."""
    artifacts = {"dense": (baseline.artifact, dense), "slim": (artifact.path, program)}
    runners = {
        name: partial(target.backend.load(path, target.workload), workload_inputs(source, target.workload, seed=seed))
        for name, (path, source) in artifacts.items()
    }
    timings = interleaved(runners, seconds=seconds)
    counted = {"parameters": float(program.parameter_count()), "bytes": float(artifact.size)}
    measured = counted.get(ceiling.unit, timings["slim"].median)
    # A ratio of medians would feel every change of the machine's pace; the median of ratios does not.
    dense_now = timings["slim"].median * paired_ratio(timings["dense"], timings["slim"])
    asked = dense_now / target.value if target.kind == "speedup" else target.value
    pace = asked / ceiling.value
    predicted = None if plan.predicted_cost is None else plan.predicted_cost * pace
    return Judgement(timings["slim"], timings["dense"], Round(predicted, measured, asked), pace)
