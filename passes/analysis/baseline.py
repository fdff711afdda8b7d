"""`baseline`: the dense artifact and the floor, measured before any long work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from prunec.cost.measure import interleaved, workload_inputs
from prunec.cost.numerics import ROUNDED
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

    seconds: float = 8.0

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the measured baseline and the budget in the cost model's unit."""
        structure, target = facts[Structure], facts[Target]
        if not any(sublayer.families for sublayer in structure.sublayers):
            raise _nothing_to_prune(structure)
        bare = floor_program(program, structure)
        baseline = facts.get(Baseline) or self._measure(program, bare, target, context)
        log = f"dense {baseline.dense.median:.2f} ms, floor {baseline.floor.median:.2f} ms"
        if baseline.reduced is not None:
            log = f"{log}, dense in {target.numerics.dtype} {baseline.reduced.median:.2f} ms"
        ceiling = _ceiling(target, baseline)
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

    def _measure(self, program: Program, bare: Program, target: Target, context: Context) -> Baseline:
        inputs = workload_inputs(program, target.workload, seed=context.seed)
        emitted = {"floor": (bare, target.backend), "dense": (program, target.plain)}
        if target.reduced:
            emitted["reduced"] = (program, target.backend)
        runs: dict[str, Callable[[], object]] = {}
        sizes: dict[str, int] = {}
        for name, (item, backend) in emitted.items():
            context.progress.item(f"emitting the {name} artifact", len(runs), len(emitted))
            path = context.scratch / name / f"{name}{backend.suffixes[0]}"
            path.parent.mkdir(exist_ok=True)
            backend.emit(target.written(item), path)
            runs[name] = partial(backend.load(path, target.workload), inputs)
            sizes[name] = sum(file.stat().st_size for file in path.parent.iterdir())
            if name == "floor" and target.kind == "latency_ms":
                _refuse_early(target.value, runs["floor"])
        context.progress.item("timing the dense artifact and the floor by turns", 0, 0)
        timings = interleaved(runs, seconds=self.seconds)
        artifact = context.scratch / "dense" / f"dense{target.backend.suffixes[0]}"
        reduced = timings.get("reduced"), sizes.get("reduced", 0)
        return Baseline(artifact, timings["dense"], timings["floor"], sizes["dense"], sizes["floor"], *reduced)


def _refuse_early(asked: float, floor: Callable[[], object]) -> None:
    """Before the dense artifact is emitted: a budget in ms below the floor is hopeless."""
    timing = interleaved({"floor": floor}, seconds=1.0)["floor"]
    if timing.low > asked:
        raise BudgetError(
            f"the budget of {asked:g} ms is below the floor of {timing.median:.2f} ms, "
            "where everything removable is removed",
            f"ask for more than {timing.median:.2f} ms, a smaller --workload or more --threads",
        )


def _nothing_to_prune(structure: Structure) -> BudgetError:
    if not structure.pins:
        why = "give a model with residual branches, such as a transformer"
    else:
        more = f" (and {len(structure.pins) - 1} more pins)" if len(structure.pins) > 1 else ""
        why = f"see why: {structure.pins[0].what}: {structure.pins[0].why}{more}"
    return BudgetError("the model has nothing to prune: no removable units inside a residual branch were found", why)


def floor_program(program: Program, structure: Structure) -> Program:
    """`program` with every sublayer bypassed that holds removable units."""
    return bypass(program, [(item.add, item.skip) for item in structure.sublayers if item.families])


def _ceiling(target: Target, baseline: Baseline) -> Ceiling:
    if target.kind in ("latency_ms", "none"):
        return Ceiling("ms", target.value)
    if target.kind == "speedup":
        return Ceiling("ms", baseline.dense.median / target.value)
    return Ceiling(target.kind, target.value)


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
