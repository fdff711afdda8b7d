"""`verify`: the artifact computes what the slim program does, and holds the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from prunec.cost.measure import interleaved, paired_ratio, workload_inputs
from prunec.cost.target import Artifact, Baseline, Round, Target, Verdict
from prunec.cost.timer import Runner
from prunec.cost.workload import Workload
from prunec.errors import VerificationError
from prunec.facts import Ceiling, CostModel, Plan
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class VerifyPass(Pass):
    """Load the emitted artifact, compare its numbers, time it beside the dense one, and judge.

    A missed budget corrects the cost model's constant by what was missed and asks for another
    search; so does a budget that is left unspent by more than `slack`.

    Attributes:
        tolerance: largest output difference allowed, relative to the largest output (at least 1).
        slack: share of the budget that may stay unspent without another search.
        margin: share of the budget kept free when a missed one is corrected.
        seconds: how long the artifacts are timed.
        rounds: searches in all, the first included.
    """

    name: ClassVar[str] = "verify"
    needs: ClassVar[tuple[type, ...]] = (Target, Baseline, Ceiling, Artifact, Plan)
    reads: ClassVar[tuple[type, ...]] = (CostModel, Verdict)
    gives: ClassVar[tuple[type, ...]] = (Verdict, CostModel)

    tolerance: float = 1e-4
    slack: float = 0.05
    margin: float = 0.005
    seconds: float = 10.0
    rounds: int = 3

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the verdict; ask for another search where the budget is missed or wasted."""
        target, artifact = facts[Target], facts[Artifact]
        runner = target.backend.load(artifact.path, target.workload)
        context.progress.item("comparing the artifact with the program", 0, 2)
        error = self._compare(program, runner, target, context)
        context.progress.item("timing the artifact beside the dense one", 1, 2)
        verdict = self._judge(program, runner, facts, error, context)
        last = verdict.rounds[-1]
        outcome = "held" if verdict.holds else "missed"
        log = (
            f"{last.measured:.4g} {facts[Ceiling].unit} of {last.ceiling:.4g}: {outcome}; "
            f"the artifact differs from the program by {error:.1e}"
        )
        again = self._correction(facts, verdict)
        if again is None:
            return PassResult(program, (verdict,), log)
        return PassResult(program, (verdict, again), f"{log}; searching again", again_from="knapsack")

    def _compare(self, program: Program, runner: Runner, target: Target, context: Context) -> float:
        """Largest output difference, on a request of another shape than the workload's."""
        workload = target.workload
        other = Workload(workload.phase, workload.batch + 1, max(2, workload.sequence // 3), workload.threads)
        arrays = workload_inputs(program, other, seed=context.seed + 1)
        with torch.no_grad():
            expected = program({name: torch.from_numpy(array) for name, array in arrays.items()})
        got = runner(arrays)
        scale = max(1.0, *(float(value.abs().max()) for value in expected.values()))
        error = max(float(np.abs(got[name] - value.numpy()).max()) for name, value in expected.items()) / scale
        if not error <= self.tolerance:
            raise VerificationError(
                f"the artifact differs from the program by {error:.2g} (allowed: {self.tolerance:g})",
                "this is a fault of the backend: please report the model and the pipeline",
            )
        return error

    def _judge(self, program: Program, runner: Runner, facts: Facts, error: float, context: Context) -> Verdict:
        target, baseline, artifact = facts[Target], facts[Baseline], facts[Artifact]
        inputs = workload_inputs(program, target.workload, seed=context.seed)
        dense = target.backend.load(baseline.artifact, target.workload)
        timings = interleaved({"dense": partial(dense, inputs), "slim": partial(runner, inputs)}, seconds=self.seconds)
        measured = {
            "parameters": float(program.parameter_count()),
            "bytes": float(artifact.size),
        }.get(facts[Ceiling].unit, timings["slim"].median)
        # A ratio of medians would feel every change of the machine's pace; the median of ratios does not.
        dense_now = timings["slim"].median * paired_ratio(timings["dense"], timings["slim"])
        ceiling = dense_now / target.value if target.kind == "speedup" else target.value
        earlier = facts.get(Verdict)
        this = Round(facts[Plan].predicted_cost, measured, ceiling)
        rounds = (*(earlier.rounds if earlier else ()), this)
        return Verdict(measured <= ceiling, timings["slim"], timings["dense"], error, self.tolerance, rounds)

    def _correction(self, facts: Facts, verdict: Verdict) -> CostModel | None:
        """The cost model corrected by what this round showed, or None where the verdict stands."""
        costs = facts.get(CostModel)
        last, left = verdict.rounds[-1], self.rounds - len(verdict.rounds)
        if costs is None or last.predicted is None or facts[Plan].is_empty() or left <= 0:
            return None
        wasted = last.measured < (1 - self.slack) * last.ceiling
        if verdict.holds and not (wasted and left >= 2):
            return None
        # What was measured, on the clock of the baseline: the machine may have changed its pace since.
        pace = facts[Ceiling].value / last.ceiling
        spare = self.margin * len(verdict.rounds) * facts[Ceiling].value
        corrected = costs.constant + last.measured * pace - last.predicted + spare
        # Where nothing is left to be saved another search could only fail: the measured miss says more.
        return replace(costs, constant=corrected) if corrected < facts[Ceiling].value else None
