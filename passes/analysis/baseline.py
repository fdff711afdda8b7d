"""`baseline`: the dense artifact and the floor, measured before any long work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.cost.measure import Timing, interleaved, workload_inputs
from prunec.cost.target import Baseline, Target
from prunec.errors import BudgetError
from prunec.facts import Ceiling, Plan, Structure
from prunec.ir.bypass import bypass
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class BaselinePass(Pass):
    """Emit and time the dense program and the floor; settle the budget or refuse it.

    The floor is the program with every sublayer bypassed whose units could be removed. A budget below
    it is refused at once. A dense program within the budget is emitted as it is.

    Attributes:
        seconds: how long the dense artifact and the floor are timed, in turn.
    """

    name: ClassVar[str] = "baseline"
    needs: ClassVar[tuple[type, ...]] = (Structure, Target)
    gives: ClassVar[tuple[type, ...]] = (Baseline, Ceiling, Plan)

    seconds: float = 8.0

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the measured baseline and the budget in the cost model's unit."""
        structure, target = facts[Structure], facts[Target]
        if not any(sublayer.families for sublayer in structure.sublayers):
            raise BudgetError(
                "the model has nothing to prune: no removable units inside a residual branch were found",
                "look at the pins in the report for what was not understood",
            )
        bare = floor_program(program, structure)
        baseline, log = self._measure(program, bare, target, context)
        ceiling = _ceiling(program, target, baseline)
        floor, dense = _extremes(program, bare, baseline, ceiling)
        if floor > ceiling.value:
            raise BudgetError(
                f"the budget of {_amount(ceiling, ceiling.value)} is below the floor of {_amount(ceiling, floor)}, "
                f"where everything removable is removed (dense: {_amount(ceiling, dense)})",
                f"ask for more than {_amount(ceiling, floor)}",
            )
        if dense <= ceiling.value:
            context.progress.note("the dense model is within the budget: it is emitted unpruned")
            plan = Plan({}, predicted_cost=dense, predicted_damage=0.0)
            return PassResult(program, (baseline, ceiling, plan), f"{log}: within the budget already", skip_to="emit")
        return PassResult(program, (baseline, ceiling), log)

    def _measure(self, program: Program, bare: Program, target: Target, context: Context) -> tuple[Baseline, str]:
        inputs = workload_inputs(program, target.workload, seed=context.seed)
        suffix = target.backend.suffixes[0]
        runners = {}
        for name, item in (("floor", bare), ("dense", program)):
            path = context.scratch / f"{name}{suffix}"
            context.progress.item(f"emitting the {name} artifact", len(runners), 2)
            target.backend.emit(item, path)
            runners[name] = (target.backend.load(path, target.workload), inputs)
            if name == "floor":
                self._refuse_early(target, runners, bare)
        timings = interleaved(
            {name: lambda runner=runner, given=given: runner(given) for name, (runner, given) in runners.items()},
            seconds=self.seconds,
        )
        baseline = Baseline(context.scratch / f"dense{suffix}", timings["dense"], timings["floor"])
        return baseline, f"dense {timings['dense'].median:.2f} ms, floor {timings['floor'].median:.2f} ms"

    @staticmethod
    def _refuse_early(target: Target, runners: dict, bare: Program) -> None:  # type: ignore[type-arg]
        """Before the dense artifact is emitted: a budget below the floor is hopeless."""
        if target.kind != "latency_ms":
            return
        runner, inputs = runners["floor"]
        floor = interleaved({"floor": lambda: runner(inputs)}, seconds=1.0)["floor"]
        if floor.low > target.value:
            raise BudgetError(
                f"the budget of {target.value:g} ms is below the floor of {floor.median:.2f} ms, "
                "where everything removable is removed",
                f"ask for more than {floor.median:.2f} ms, a smaller --workload or more --threads",
            )


def floor_program(program: Program, structure: Structure) -> Program:
    """`program` with every sublayer bypassed that holds removable units."""
    return bypass(program, [(item.add, item.skip) for item in structure.sublayers if item.families])


def _ceiling(program: Program, target: Target, baseline: Baseline) -> Ceiling:
    if target.kind == "latency_ms":
        return Ceiling("ms", target.value)
    if target.kind == "speedup":
        return Ceiling("ms", baseline.dense.median / target.value)
    return Ceiling(target.kind, target.value)


def _extremes(program: Program, bare: Program, baseline: Baseline, ceiling: Ceiling) -> tuple[float, float]:
    """Floor and dense cost in the ceiling's unit."""
    if ceiling.unit == "ms":
        assert isinstance(baseline.floor, Timing)
        return baseline.floor.median, baseline.dense.median
    if ceiling.unit == "parameters":
        return bare.parameter_count(), program.parameter_count()
    return bare.size_bytes(), program.size_bytes()


def _amount(ceiling: Ceiling, value: float) -> str:
    if ceiling.unit == "ms":
        return f"{value:.2f} ms"
    return f"{value / 1e6:.1f} MB" if ceiling.unit == "bytes" else f"{value / 1e6:.2f}M parameters"
