"""`verify`: the artifact computes what the slim program does, and holds the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prunec.cost.comparison import answers, as_sure, difference, numbers
from prunec.cost.judge import Judgement, judge
from prunec.cost.target import Artifact, Baseline, Target, Trials, Verdict
from prunec.cost.timer import Runner
from prunec.errors import VerificationError
from prunec.facts import Ceiling, CostModel, Dense, Leanings, Plan
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

LONGER = 3
"""How many times as long a doubtful miss is timed."""


@dataclass(frozen=True)
class VerifyPass(Pass):
    """Load the emitted artifact, compare its numbers, time it beside the dense one, and judge.

    An artifact in float32 computes what the program does. One in fewer bits cannot: of it the same in float32 must,
    which the artifact is the rounded form of, and what rounding adds must be less than `rounding`. What it costs is for
    `evaluate` to say, which measures the artifact itself.

    A budget missed by less than two measurements differ is timed again, longer, and that counts. One missed by more
    corrects the cost model's constant by what was missed and asks for another search.

    Attributes:
        tolerance: largest output difference allowed, relative to the largest output (at least 1). More is allowed where
            the program itself is further from exact numbers, as one can be of which little is left.
        rounding: largest share of the outputs (root mean squares) that may be rounding, in fewer bits than 32. What is
            wrong altogether differs by one and more.
        seconds: how long the artifacts are timed.
        rounds: artifacts that are judged before a missed budget stays missed.
        doubt: share of the budget that a miss must exceed to be believed at once.
    """

    name: ClassVar[str] = "verify"
    needs: ClassVar[tuple[type, ...]] = (Dense, Target, Baseline, Ceiling, Artifact, Plan)
    reads: ClassVar[tuple[type, ...]] = (CostModel, Trials, Verdict, Leanings)
    gives: ClassVar[tuple[type, ...]] = (Verdict, CostModel, Trials, Leanings)

    tolerance: float = 1e-4
    rounding: float = 0.5
    seconds: float = 10.0
    rounds: int = 3
    doubt: float = 0.02

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the verdict; ask for another search where the budget is missed."""
        target, ceiling = facts[Target], facts[Ceiling]
        runner = target.backend.load(facts[Artifact].path, target.workload)
        context.progress.item("comparing the artifact with the program", 0, 2)
        rounding = self._rounding(program, runner, target, context) if target.reduced else None
        error = self._compare(program, self._plain(program, target, context) or runner, target, context)
        context.progress.item("timing the artifact beside the dense one", 1, 2)
        judgement = self._timed(program, facts, context, self.seconds)
        log = ""
        if self._doubtful(judgement, ceiling):
            log = f"{judgement.round.measured:.4g} of {judgement.round.ceiling:.4g} at first, timed again: "
            context.progress.item("timing again, longer: it missed by less than noise", 1, 2)
            judgement = self._timed(program, facts, context, LONGER * self.seconds)
        verdict = self._verdict(judgement, error, rounding, facts)
        log += (
            f"{judgement.round.measured:.4g} {ceiling.unit} of {judgement.round.ceiling:.4g}: "
            f"{'held' if verdict.holds else 'missed'}; the artifact differs from the program by {error:.1e}"
        )
        if rounding is not None:
            log += f" in float32, by {rounding:.1%} rounded"
        costs = facts.get(CostModel)
        if verdict.holds or costs is None or facts[Plan].is_empty() or verdict.judged >= self.rounds:
            return PassResult(program, (verdict,), log)
        corrected = judgement.corrected(costs, ceiling)
        if corrected is None:
            return PassResult(program, (verdict,), log)
        again = tuple(fact for fact in (verdict, corrected, Trials(()), facts.get(Leanings)) if fact is not None)
        return PassResult(program, again, f"{log}; searching again", again_from=facts[Plan].search)

    def _doubtful(self, judgement: Judgement, ceiling: Ceiling) -> bool:
        """Whether the budget was missed by what noise alone could do."""
        missed_by = judgement.round.measured / judgement.round.ceiling - 1
        return ceiling.unit == "ms" and 0 < missed_by <= self.doubt

    def _timed(self, program: Program, facts: Facts, context: Context, seconds: float) -> Judgement:
        return judge(
            program,
            facts[Dense].program,
            facts[Artifact],
            facts[Plan],
            facts[Target],
            facts[Baseline],
            facts[Ceiling],
            seconds=seconds,
            seed=context.seed,
        )

    def _verdict(self, judgement: Judgement, error: float, rounding: float | None, facts: Facts) -> Verdict:
        earlier, trials = facts.get(Verdict), facts.get(Trials)
        rounds = (*(earlier.rounds if earlier else ()), *(trial.round for trial in (trials.tried if trials else ())))
        return Verdict(
            judgement.holds,
            judgement.slim,
            judgement.dense,
            error,
            self.tolerance,
            (*rounds, judgement.round),
            earlier.judged + 1 if earlier else 1,
            rounding,
        )

    def _plain(self, program: Program, target: Target, context: Context) -> Runner | None:
        """The artifact in float32, where the one that is emitted is not."""
        if not target.reduced:
            return None
        path = context.scratch / "plain" / target.filename
        path.parent.mkdir(exist_ok=True)
        target.plain.emit(target.written(program), path)
        return target.plain.load(path, target.workload)

    def _rounding(self, program: Program, runner: Runner, target: Target, context: Context) -> float:
        """The share of the outputs that is rounding."""
        wrong, right, written = 0.0, 0.0, target.written(program)
        for expected, got in answers(program, target.workload, context.seed + 1, numbers(written), runner):
            for name, value in expected.items():
                wrong += float(np.square(got[name] - value, dtype=np.float64).sum())
                right += float(np.square(value, dtype=np.float64).sum())
        share = float(np.sqrt(wrong / right))
        if not share <= self.rounding:
            raise VerificationError(
                f"in {target.numerics.dtype} the artifact differs from the program by {share:.0%} of its outputs "
                f"(allowed: {self.rounding:.0%})",
                "leave --dtype out, or give --dtype int8 where this was another",
            )
        return share

    def _compare(self, program: Program, runner: Runner, target: Target, context: Context) -> float:
        """Largest output difference of any answer."""
        written, seed = target.written(program), context.seed + 1
        error = difference(answers(program, target.workload, seed, numbers(written), runner))
        if not error <= self.tolerance and not as_sure(program, written, runner, target.workload, seed):
            raise VerificationError(
                f"the artifact differs from the program by {error:.2g} (allowed: {self.tolerance:g})",
                "this is a fault of the backend: please report the model and the pipeline",
            )
        return error
