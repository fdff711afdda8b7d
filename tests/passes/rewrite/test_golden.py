"""Many architectures: what is found in each, and that the slim program equals the masked dense one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunec.facts import Plan, Structure
from prunec.frontends.huggingface import load
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.architectures import ARCHITECTURES
from tests.passes.cases import Case
from tests.passes.golden import TOLERANCE, all_but_one, deviation, random_plan

Found = tuple[Program, Structure]
each = pytest.mark.parametrize("name", ARCHITECTURES)


def discovered(program: Program) -> Found:
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return program, structure


@cache
def found(name: str) -> Found:
    """The architecture called `name`, traced on two rows of seven tokens."""
    architecture = ARCHITECTURES[name]
    return discovered(trace(architecture.model(), architecture.example(2, 7)).program)


@each
def test_finds_all_families_and_sublayers(name: str) -> None:
    structure, expected = found(name)[1], ARCHITECTURES[name]
    assert tuple(f"{item.kind} {item.units}" for item in structure.families) == expected.families
    assert tuple(item.kind for item in structure.sublayers) == expected.sublayers
    inside = [name for item in structure.sublayers for name in item.families]
    held = [item.name for item in structure.families if item.name in inside]
    assert list(dict.fromkeys(inside)) == held


@each
def test_says_why_the_rest_stays(name: str) -> None:
    pins, expected = found(name)[1].pins, ARCHITECTURES[name].pins
    assert len(pins) == len(expected), pins
    for pin, part in zip(pins, expected, strict=True):
        assert part in pin.why


@each
@pytest.mark.parametrize("seed", range(4))
def test_slim_equals_masked(name: str, seed: int) -> None:
    program, structure = found(name)
    plan = random_plan(structure, seed)
    assert deviation(program, structure, plan, ARCHITECTURES[name].example(3, 11)) < TOLERANCE


@each
def test_slim_equals_masked_with_all_but_one_unit_gone(name: str) -> None:
    program, structure = found(name)
    plan = all_but_one(structure, seed=3)
    assert deviation(program, structure, plan, ARCHITECTURES[name].example(1, 5)) < TOLERANCE


@each
def test_slim_equals_masked_without_any_sublayer(name: str) -> None:
    program, structure = found(name)
    plan = Plan({}, tuple(item.name for item in structure.sublayers))
    assert deviation(program, structure, plan, ARCHITECTURES[name].example(2, 9)) < TOLERANCE


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_slim_equals_masked_for_any_plan(llama: Case, data: st.DataObject) -> None:
    structure = llama.structure
    units = {}
    for family in structure.families:
        kept = data.draw(st.integers(1, 2**family.units - 1), label=f"units kept of {family.name}, as bits")
        units[family.name] = tuple(unit for unit in range(family.units) if not kept >> unit & 1)
    dropped = data.draw(st.integers(0, 2 ** len(structure.sublayers) - 1), label="sublayers dropped, as bits")
    plan = Plan(units, tuple(item.name for at, item in enumerate(structure.sublayers) if dropped >> at & 1))
    assert deviation(llama.program, structure, plan, llama.corpus.score[0]) < TOLERANCE


@pytest.mark.real
@pytest.mark.parametrize(("folder", "families", "sublayers"), [("minilm-l6", 12, 12), ("smollm2-135m", 60, 60)])
def test_slim_equals_masked_for_real_weights(real_models: Path, folder: str, families: int, sublayers: int) -> None:
    program, structure = discovered(load(real_models / folder).program)
    assert (len(structure.families), len(structure.sublayers)) == (families, sublayers)
    assert structure.pins == ()
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, 20000, (2, 9), generator=generator)
    inputs = {item.name: tokens if item.name == "input_ids" else torch.ones_like(tokens) for item in program.inputs}
    assert deviation(program, structure, random_plan(structure, seed=0), inputs) < TOLERANCE
