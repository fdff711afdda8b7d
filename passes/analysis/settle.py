"""`settle`: the plan is tried for latency before the long repair, and searched again until it fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.judge import Judgement, judge
from prunec.cost.target import Artifact, Baseline, Target, Trial, Trials
from prunec.facts import Ceiling, CostModel, Dense, Leanings, Plan
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class SettlePass(Pass):
    """Emit and time the slim program as it is: weights do not change a latency, so repair can wait.

    A missed budget corrects the cost model's constant by what was missed and asks for another search; so does a budget
    that is left unspent by more than `slack`. Once both happened, the constant is taken between them, for a correction
    by the last measurement alone would follow its noise. When the rounds are up, the plan that spent most of the budget
    without breaking it is taken.

    Attributes:
        slack: share of the budget that may stay unspent without another search.
        seconds: how long the artifacts are timed.
        rounds: searches in all, the first included.
    """

    name: ClassVar[str] = "settle"
    needs: ClassVar[tuple[type, ...]] = (Dense, Target, Baseline, Ceiling, Plan)
    reads: ClassVar[tuple[type, ...]] = (CostModel, Trials, Leanings)
    gives: ClassVar[tuple[type, ...]] = (CostModel, Trials, Plan, Leanings)

    slack: float = 0.02
    seconds: float = 8.0
    rounds: int = 3

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give what was tried; ask for another search or for the best plan where this one is not it."""
        plan, ceiling, trials = facts[Plan], facts[Ceiling], facts.get(Trials) or Trials(())
        if ceiling.unit != "ms":
            return PassResult(program, (), "what is counted needs no trial")
        if trials.settled:
            return PassResult(program, (), "settled on the best plan so far")
        if any(trial.plan.removes_as(plan) for trial in trials.tried):
            return self._conclude(program, plan, trials, "the search found nothing new")
        judgement = self._try(program, facts, context)
        costs, last = facts.get(CostModel), judgement.round
        trials = Trials((*trials.tried, Trial(plan, costs, last)))
        log = f"{last.measured:.4g} {ceiling.unit} of {last.ceiling:.4g}"
        if judgement.holds and last.measured >= (1 - self.slack) * last.ceiling:
            return self._conclude(program, plan, trials, f"{log}: fits")
        log = f"{log}: {'room is left' if judgement.holds else 'missed'}"
        corrected = judgement.corrected(costs, ceiling) if costs is not None else None
        between = trials.between(1 - self.slack / 2)
        if corrected is not None and between is not None:
            corrected = replace(corrected, constant=between)
        if corrected is None or len(trials.tried) >= self.rounds:
            return self._conclude(program, plan, trials, log)
        again = tuple(fact for fact in (trials, corrected, facts.get(Leanings)) if fact is not None)
        return PassResult(program, again, f"{log}; searching again", again_from=plan.search)

    def _try(self, program: Program, facts: Facts, context: Context) -> Judgement:
        """Emit the program into the scratch folder and time it."""
        target = facts[Target]
        context.progress.item("timing the slim program before repair", 0, 0)
        path = context.scratch / "trial" / target.filename
        path.parent.mkdir(exist_ok=True)
        target.backend.emit(target.written(program), path)
        artifact = Artifact(path, path.stat().st_size)
        return judge(
            program,
            facts[Dense].program,
            artifact,
            facts[Plan],
            target,
            facts[Baseline],
            facts[Ceiling],
            seconds=self.seconds,
            seed=context.seed,
        )

    def _conclude(self, program: Program, plan: Plan, trials: Trials, log: str) -> PassResult:
        """Go on with `plan`, or back to the best one that held."""
        settled, best = Trials(trials.tried, settled=True), trials.best()
        if best is None or best.plan.removes_as(plan):
            return PassResult(program, (settled,), log)
        facts = tuple(fact for fact in (settled, best.plan, best.costs) if fact is not None)
        return PassResult(program, facts, f"{log}; back to the best plan", again_from="remove")
