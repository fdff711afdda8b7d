"""`cost`: what every size of every family costs, measured in the target runtime or counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.counted import counted_costs
from prunec.cost.tables import SECONDS, SIZES, measured_costs
from prunec.cost.target import Baseline, Target
from prunec.facts import Ceiling, CostModel, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class CostPass(Pass):
    """Give the cost model: a constant plus a table per family.

    For latency budgets each distinct sublayer is cut out, emitted at a grid of sizes and timed, all
    sizes in turn; equal sublayers share a table. The constant is the measured floor, and one factor
    on the tables makes the dense prediction equal the dense measurement: a sublayer timed alone finds
    its weights in a warmer cache than one inside the model. For budgets of parameters or bytes the
    tables are counted; bytes of another type than float32 are those of float32 in the share that the dense
    artifact has.

    Attributes:
        sizes: sizes measured for a large family; a small one is measured at each.
        seconds: how long the tables are timed.
    """

    name: ClassVar[str] = "cost"
    needs: ClassVar[tuple[type, ...]] = (Structure, Target, Baseline, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (CostModel,)

    sizes: int = SIZES
    seconds: float = SECONDS

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Measure or count."""
        structure, target, ceiling = facts[Structure], facts[Target], facts[Ceiling]
        if ceiling.unit != "ms":
            baseline = facts[Baseline]
            overhead = baseline.dense_bytes - program.size_bytes() if ceiling.unit == "bytes" else 0.0
            model = counted_costs(program, structure, ceiling.unit, overhead)
            if ceiling.unit == "bytes" and target.reduced:
                share = (baseline.reduced_bytes - baseline.floor_bytes) / (baseline.dense_bytes - model.constant)
                model = replace(model, constant=float(baseline.floor_bytes), scale=share)
            return PassResult(program, (model,), f"counted: {model.constant:.4g} {model.unit} cannot go")
        model, log = measured_costs(program, structure, target, facts[Baseline], context, self.sizes, self.seconds)
        return PassResult(program, (model,), log)
