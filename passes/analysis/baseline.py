"""`baseline`: the dense artifact and the floor, measured before any long work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.baseline import SECONDS, asked, floor_program, measured_baseline
from prunec.cost.numerics import ROUNDED
from prunec.cost.target import Baseline, Target
from prunec.errors import BudgetError
from prunec.facts import Ceiling, Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class BaselinePass(Pass):
    """Emit and time the dense program and the floor; settle the budget or refuse it.

    The floor is the program with every sublayer bypassed whose units could be removed. A budget below
    it is refused at once. A dense program within the budget is emitted as it is. Without a budget,
    both are timed and nothing is refused. What was timed before, for another budget, is not timed again.
    Where the target's type is not float32, the floor has that type, and the dense program is timed in both:
    speed-ups are over float32, and what is within the budget is what would be emitted.

    Attributes:
        seconds: how long the dense artifact and the floor are timed, in turn.
    """

    name: ClassVar[str] = "baseline"
    needs: ClassVar[tuple[type, ...]] = (Structure, Target)
    reads: ClassVar[tuple[type, ...]] = (Baseline,)
    gives: ClassVar[tuple[type, ...]] = (Baseline, Ceiling, Plan)

    seconds: float = SECONDS

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the measured baseline and the budget in the cost model's unit."""
        structure, target = facts[Structure], facts[Target]
        if not any(sublayer.families for sublayer in structure.sublayers):
            raise _nothing_to_prune(structure)
        bare = floor_program(program, structure)
        baseline = facts.get(Baseline) or measured_baseline(program, bare, target, context, self.seconds)
        log = f"dense {baseline.dense.median:.2f} ms, floor {baseline.floor.median:.2f} ms"
        if baseline.reduced is not None:
            log = f"{log}, dense in {target.numerics.dtype} {baseline.reduced.median:.2f} ms"
        ceiling = asked(target, baseline)
        floor, dense = _extremes(program, bare, baseline, ceiling)
        if floor > ceiling.value:
            raise BudgetError(
                f"the budget of {_amount(ceiling, ceiling.value)} is below the floor of {_amount(ceiling, floor)}, "
                f"where everything removable is removed (dense: {_amount(ceiling, dense)})",
                f"ask for more than {_amount(ceiling, floor)}",
            )
        if dense <= ceiling.value and target.kind != "none":
            as_what = f" in {target.numerics.dtype}" if target.reduced else ""
            context.progress.note(f"the dense model{as_what} is within the budget: it is emitted unpruned")
            plan = Plan({}, predicted_cost=dense, predicted_damage=0.0)
            rest = "smooth" if target.numerics.dtype in ROUNDED else "emit"
            return PassResult(program, (baseline, ceiling, plan), f"{log}: within the budget already", skip_to=rest)
        return PassResult(program, (baseline, ceiling), log)


def _nothing_to_prune(structure: Structure) -> BudgetError:
    if not structure.pins:
        why = "give a model with residual branches, such as a transformer"
    else:
        more = f" (and {len(structure.pins) - 1} more pins)" if len(structure.pins) > 1 else ""
        why = f"see why: {structure.pins[0].what}: {structure.pins[0].why}{more}"
    return BudgetError("the model has nothing to prune: no removable units inside a residual branch were found", why)


def _extremes(program: Program, bare: Program, baseline: Baseline, ceiling: Ceiling) -> tuple[float, float]:
    """Cost of the floor and of what would be emitted unpruned, in the ceiling's unit."""
    if ceiling.unit == "ms":
        return baseline.floor.median, baseline.unpruned.median
    if ceiling.unit == "parameters":
        return bare.parameter_count(), program.parameter_count()
    return baseline.floor_bytes, baseline.unpruned_bytes


def _amount(ceiling: Ceiling, value: float) -> str:
    if ceiling.unit == "ms":
        return f"{value:.2f} ms"
    return f"{value / 1e6:.4g} MB" if ceiling.unit == "bytes" else f"{value / 1e6:.4g}M parameters"
