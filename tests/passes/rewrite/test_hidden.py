"""Features of the residual stream gone: the slim program equals the masked one, or one whose norms leave them out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from prunec.facts import KINDS, Family, Plan, Structure
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.architectures import ARCHITECTURES
from tests.passes.cases import Case
from tests.passes.golden import TOLERANCE, VISIBLE, deviation, distance, random_plan, run
from tests.passes.hidden import expected, zeroed


def structure_of(program: Program) -> Structure:
    (structure,) = StructurePass(KINDS).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


@cache
def found(name: str) -> tuple[Program, Structure]:
    program = trace(ARCHITECTURES[name].model(), ARCHITECTURES[name].example(2, 7)).program
    return program, structure_of(program)


def centred(structure: Structure) -> list[Family]:
    """Hidden features that no mask stands for."""
    return [item for item in structure.unmasked if item.kind == "hidden"]


def assert_left_out(name: str, removed: list[int]) -> None:
    """That centred normalisations of the slim program take what is left."""
    program, structure = found(name)
    (family,) = centred(structure)
    gone, inputs = np.array(removed), ARCHITECTURES[name].example(3, 11)
    oracle = expected(program, family, gone, inputs)
    slim = run(slice_program(program, family.cuts(gone)), inputs)
    assert distance(slim, oracle) < TOLERANCE
    assert distance(run(program, inputs), oracle) > VISIBLE
    assert distance(run(zeroed(program, family, gone), inputs), oracle) > VISIBLE


def assert_golden(name: str, removed: list[int]) -> None:
    """That the slim program equals the masked one."""
    program, structure = found(name)
    (family,) = (item for item in structure.families if item.kind == "hidden")
    alone = Structure((family,), ())
    plan = Plan({family.name: tuple(removed)})
    assert deviation(program, alone, plan, ARCHITECTURES[name].example(3, 11)) < TOLERANCE


@pytest.mark.parametrize("removed", [[3], [0, 1, 2, 17, 38], [*range(1, 40)]])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_slim_equals_dense_with_centred_norms_of_what_survives(name: str, removed: list[int]) -> None:
    assert_left_out(name, removed)


@pytest.mark.parametrize("removed", [[3], [0, 1, 2, 17, 38], [*range(1, 40)]])
@pytest.mark.parametrize("name", ["llama", "t5", "cohere"])
def test_slim_equals_masked_where_norms_are_means(name: str, removed: list[int]) -> None:
    assert_golden(name, removed)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_one_stream_whose_features_can_go(name: str) -> None:
    (assert_left_out if centred(found(name)[1]) else assert_golden)(name, [1, 2, 5])


@pytest.mark.parametrize("seed", [1, 2])
def test_features_of_a_stream_go_with_units_of_every_kind(seed: int) -> None:
    program, structure = found("llama")
    plan = random_plan(structure, seed)
    assert "hidden" in {structure.family(name).kind for name, removed in plan.units.items() if removed}
    assert deviation(program, structure, plan, ARCHITECTURES["llama"].example(3, 11)) < TOLERANCE


def test_features_go_from_every_tensor_of_the_stream() -> None:
    program, structure = found("llama")
    (family,) = (item for item in structure.families if item.kind == "hidden")
    slim = slice_program(program, family.cuts(np.arange(8)))
    assert family.units == 48
    for name, tensor in program.tensors().items():
        lost = [before - after for before, after in zip(tensor.shape, slim.tensor(name).shape, strict=True)]
        assert sorted(lost) == [0] * (tensor.ndim - 1) + [0 if "rotary" in name or "inv_freq" in name else 8]


def test_what_is_cut_twice_equals_what_is_cut_once() -> None:
    program, structure = found("llama")
    (family,) = (item for item in structure.families if item.kind == "hidden")
    inputs = ARCHITECTURES["llama"].example(3, 11)
    once = slice_program(program, family.cuts(np.arange(8)))
    twice = slice_program(slice_program(program, family.cuts(np.arange(4))), family.cuts(np.arange(4)))
    assert distance(run(twice, inputs), run(once, inputs)) < TOLERANCE


def test_no_mask_stands_for_features_that_are_centred(bert: Case) -> None:
    structure = structure_of(bert.program)
    assert [item.kind for item in structure.unmasked] == ["hidden", "vocabulary"]
    assert "hidden" not in {item.kind for item in structure.families}
    assert all(not item.sites for item in structure.unmasked)
    assert bert.structure.unmasked == ()
