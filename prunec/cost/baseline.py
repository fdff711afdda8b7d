"""The dense program and the floor, emitted and timed; the budget in the cost model's unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prunec.cost.measure import interleaved, workload_inputs
from prunec.cost.target import Baseline, Target
from prunec.errors import BudgetError
from prunec.facts import Ceiling, Structure
from prunec.ir.bypass import bypass
from prunec.ir.program import Program
from prunec.passbase import Context

SECONDS = 8.0
"""How long the dense artifact and the floor are timed, in turn, where no time is given."""


def floor_program(program: Program, structure: Structure) -> Program:
    """`program` with every sublayer bypassed that holds removable units."""
    return bypass(program, [(item.add, item.skip) for item in structure.sublayers if item.families])


def measured_baseline(
    program: Program, bare: Program, target: Target, context: Context, seconds: float = SECONDS
) -> Baseline:
    """Emit and time the dense `program` and `bare`, its floor, in turn for `seconds`.

    Raises:
        BudgetError: the floor takes longer than a budget in milliseconds; found before the dense program is emitted.
    """
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
    timings = interleaved(runs, seconds=seconds)
    artifact = context.scratch / "dense" / f"dense{target.backend.suffixes[0]}"
    reduced = timings.get("reduced"), sizes.get("reduced", 0)
    return Baseline(artifact, timings["dense"], timings["floor"], sizes["dense"], sizes["floor"], *reduced)


def asked(target: Target, baseline: Baseline) -> Ceiling:
    """The budget of `target` in the cost model's unit; a speed-up is over the dense float32 artifact."""
    if target.kind in ("latency_ms", "none"):
        return Ceiling("ms", target.value)
    if target.kind == "speedup":
        return Ceiling("ms", baseline.dense.median / target.value)
    return Ceiling(target.kind, target.value)


def _refuse_early(asked: float, floor: Callable[[], object]) -> None:
    """Before the dense artifact is emitted: a budget in ms below the floor is hopeless."""
    timing = interleaved({"floor": floor}, seconds=1.0)["floor"]
    if timing.low > asked:
        raise BudgetError(
            f"the budget of {asked:g} ms is below the floor of {timing.median:.2f} ms, "
            "where everything removable is removed",
            f"ask for more than {timing.median:.2f} ms, a smaller --workload or more --threads",
        )
