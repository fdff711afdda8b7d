"""`coarsen`: where rounding more of the products coarsely loses less than removing for the same time, that is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.heldout import HeldOut
from prunec.calibration.objective import Goal
from prunec.calibration.removal import at_most, bounded
from prunec.calibration.rounding import FEW, Rounding
from prunec.cost.allocation import MARGIN, SIZES, Allocation
from prunec.cost.answering import answering
from prunec.cost.baseline import asked, floor_program, measured_baseline
from prunec.cost.measure import interleaved, paired_ratio, workload_inputs
from prunec.cost.tables import measured_costs
from prunec.cost.target import Baseline, Target
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, Structure
from prunec.ir.program import Program
from prunec.ir.scaling import scaled
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class Grids:
    """One way to round the dense program.

    Attributes:
        target: emits with these grids.
        fine: how many products are rounded less.
        rounding: the damage of rounding alone; `removal`: what removing the rest is predicted to lose.
    """

    target: Target
    fine: int
    rounding: float
    removal: float

    @property
    def damage(self) -> float:
        """Both together, as if they added up."""
        return self.rounding + self.removal


@dataclass(frozen=True)
class CoarsenPass(Pass):
    """Weigh finer grids against removal, once there is a plan that says what removal loses.

    `grain` rounds less what rounding hurts most, whatever the budget, and that takes longer. Under a budget that is
    then made up for by removing more. Here the dense program is emitted with the worst part of those products alone on
    finer grids, at last with none, until it holds the budget. Each is timed and measured on the choosing text; what
    would still have to be removed is searched by the damage and the cost tables that are there. The least sum wins.
    Where that is not what `grain` chose, baseline and cost tables are measured anew, and it is searched again.

    Attributes:
        shares: of the products that are rounded less, the shares that are tried to stay so.
        seconds: how long a dense artifact is timed, by turns with that of the usual grids.
        tokens: of the choosing text.
    """

    name: ClassVar[str] = "coarsen"
    needs: ClassVar[tuple[type, ...]] = (Structure, Target, Baseline, Ceiling, Plan, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (Rounding, Scores, Damage, CostModel)
    gives: ClassVar[tuple[type, ...]] = (Target, Baseline, Ceiling, CostModel, Plan, Rounding)

    shares: tuple[float, ...] = (0.5, 0.25, 0.0)
    seconds: float = 4.0
    tokens: int = 2048

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the chosen grids, and ask for another search where they are others."""
        if reason := _nothing_to_weigh(facts):
            return PassResult(program, (), reason)
        chosen = replace(facts[Rounding], weighed=True)
        tried = list(self._tried(program, facts, context))
        best = min(tried, key=lambda item: item.damage)
        log = "; ".join(f"{item.fine} rounded less: {item.rounding:.3g} + {item.removal:.3g}" for item in tried)
        if best is tried[0]:
            return PassResult(program, (chosen,), f"{log}: stays")
        log, structure = f"{log}: {best.fine} do", facts[Structure]
        bare = floor_program(program, structure)
        baseline = measured_baseline(program, bare, best.target, context)
        ceiling = asked(best.target, baseline)
        found = (best.target, chosen, baseline, ceiling)
        dense = baseline.unpruned.median
        if dense <= ceiling.value:
            context.progress.note("on coarser grids the dense model is within the budget: it is emitted unpruned")
            plan = Plan({}, predicted_cost=dense, predicted_damage=0.0)
            return PassResult(program, (*found, plan), log, skip_to="smooth")
        costs, _ = measured_costs(program, structure, best.target, baseline, context)
        return PassResult(program, (*found, costs), f"{log}; searching again", again_from=facts[Plan].search)

    def _tried(self, program: Program, facts: Facts, context: Context) -> Iterator[Grids]:
        """The grids that are there, then coarser ones, until nothing would have to be removed."""
        target, rounding = facts[Target], facts[Rounding]
        worst = sorted(target.numerics.fine, key=lambda name: rounding.errors.get(name, 0.0), reverse=True)
        counts = dict.fromkeys([len(worst), *(round(share * len(worst)) for share in self.shares)])
        ready = scaled(program, rounding.exponents)
        inputs = workload_inputs(program, target.workload, seed=context.seed)
        held_out = HeldOut.of(program, at_most(facts[Corpus].choose, self.tokens), facts[Goal].objective)
        runs: list[Callable[[], object]] = []
        for count in counts:
            context.progress.item("weighing coarser grids against removal", len(runs), len(counts))
            each = target.refined(frozenset(worst[:count]))
            path = context.scratch / f"grids-{count}" / target.filename
            path.parent.mkdir(exist_ok=True)
            each.backend.emit(each.written(ready), path)
            runs.append(partial(each.backend.load(path, each.workload), inputs))
            lost = bounded(held_out.damage(answering(each, ready, path, path.parent)))
            timings = interleaved({"usual": runs[0], "coarse": runs[-1]}, seconds=self.seconds)
            found = Grids(each, count, lost, _removal(facts, paired_ratio(timings["coarse"], timings["usual"])))
            yield found
            if not found.removal:
                return


def _nothing_to_weigh(facts: Facts) -> str:
    """Why there is nothing to choose; empty where there is."""
    rounding, target, plan = facts.get(Rounding), facts[Target], facts[Plan]
    if rounding is None or not target.numerics.fine:
        return "no product is rounded less"
    if rounding.weighed:
        return "the grids are chosen"
    if plan.is_empty() or plan.predicted_damage is None or facts.get(Damage) is None or facts.get(Scores) is None:
        return "what removal loses is not known"
    if facts[Ceiling].unit != "ms":
        return "only time depends on the grids"
    if target.numerics.dtype == "int8" and target.workload.batch * target.workload.sequence <= FEW:
        return "finer grids take no longer"
    return ""


def _removal(facts: Facts, pace: float) -> float:
    """What removal is predicted to lose where the dense program takes `pace` of its time; infinite where none does."""
    costs, ceiling, structure = facts[CostModel], facts[Ceiling], facts[Structure]
    room = Ceiling(ceiling.unit, ceiling.value / pace)
    if costs.predict(structure, Plan({})) <= room.value:
        return 0.0
    try:
        plan = Allocation.of(structure, facts[Scores], facts[Damage], costs, SIZES).plan(room, MARGIN)
    except BudgetError:
        return inf
    assert plan.predicted_damage is not None
    return plan.predicted_damage
