"""Counted costs are what the slim program has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunec.cost.counted import counted_costs
from prunec.facts import ADDITIVE, Plan, Structure
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case


def random_plan(structure: Structure, seed: int) -> Plan:
    """Some units of every family, sometimes a sublayer."""
    draw = np.random.default_rng(seed)
    units = {}
    for family in structure.families:
        removed = int(draw.integers(0, family.units))
        units[family.name] = tuple(sorted(draw.choice(family.units, removed, replace=False).tolist()))
    dropped = tuple(item.name for item in structure.sublayers if draw.random() < 0.3)
    return Plan(units, dropped)


@pytest.mark.parametrize("seed", range(4))
def test_the_prediction_is_exact_for_any_plan(seed: int, case: Case) -> None:
    plan = random_plan(case.structure, seed)
    slim = slim_program(case.program, case.structure, plan)
    parameters = counted_costs(case.program, case.structure, "parameters")
    assert parameters.predict(case.structure, plan) == pytest.approx(slim.parameter_count(), abs=0.5)
    size = counted_costs(case.program, case.structure, "bytes", overhead=500)
    assert size.predict(case.structure, plan) == pytest.approx(slim.size_bytes() + 500, abs=0.5)


def test_what_sublayers_share_counts_to_the_end(llama: Case) -> None:
    costs = counted_costs(llama.program, llama.structure, "parameters")
    everything = Plan({}, tuple(sublayer.name for sublayer in llama.structure.sublayers))
    bare = slim_program(llama.program, llama.structure, everything)
    frequencies = 8
    assert costs.predict(llama.structure, everything) == bare.parameter_count() + frequencies
    assert costs.predict(llama.structure, Plan({})) == llama.program.parameter_count()


def test_dims_are_counted_where_heads_are_not_looked_for(case: Case, context: Context) -> None:
    (structure,) = StructurePass(("neuron", "qk_dim", "vo_dim")).run(case.program, Facts(), context).facts
    assert isinstance(structure, Structure)
    costs = counted_costs(case.program, structure, "parameters")
    assert set(costs.families) == {family.name for family in structure.families}
    plan = replace(random_plan(structure, 0), sublayers=())
    slim = slim_program(case.program, structure, plan)
    assert costs.predict(structure, plan) == pytest.approx(slim.parameter_count(), abs=0.5)


def test_dims_of_heads_that_can_go_have_no_price(case: Case, context: Context) -> None:
    (structure,) = StructurePass((*ADDITIVE, "qk_dim", "vo_dim")).run(case.program, Facts(), context).facts
    assert isinstance(structure, Structure)
    kinds = {structure.family(name).kind for name in counted_costs(case.program, structure, "parameters").families}
    assert kinds <= set(ADDITIVE)
