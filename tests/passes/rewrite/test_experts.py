"""Experts of mixtures: a slim router sends tokens where the masked one does, whatever it saw when it was traced."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

from prunec.errors import PassError
from prunec.facts import KINDS, Family, Plan, Structure
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from prunec.passes.rewrite.remove import slim_program
from tests.architectures import MIXTURES, VOCABULARY
from tests.passes.golden import TOLERANCE, all_but_one, alone, deviation, random_plan

ROUTER = ("gate.weight", "gate.e_score_correction_bias", "router.weight", "router.bias")

each = pytest.mark.parametrize("name", MIXTURES)


@cache
def found(name: str) -> tuple[Program, Structure]:
    program = trace(MIXTURES[name].model(), MIXTURES[name].example(2, 7)).program
    (structure,) = StructurePass(KINDS).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return program, structure


def experts(name: str) -> list[Family]:
    return [item for item in found(name)[1].families if item.kind == "expert"]


@each
def test_experts_are_found(name: str) -> None:
    assert tuple(f"{item.kind} {item.units}" for item in experts(name)) == MIXTURES[name].families


@each
def test_an_expert_is_its_matrices_and_what_the_router_knows_of_it(name: str) -> None:
    tensors = set(found(name)[0].tensor_names())
    for family in experts(name):
        module = family.name.removesuffix("expert")
        of_router = {module + suffix for suffix in ROUTER} & tensors
        of_experts = {tensor for tensor in tensors if tensor.startswith(module + "experts.")}
        assert {slot.tensor for slot in family.slots} == of_router | of_experts
        assert len(of_experts) > 1
        assert {slot.dim for slot in family.slots} == {0}


@each
@pytest.mark.parametrize("seed", range(3))
def test_slim_equals_masked_without_some_experts(name: str, seed: int) -> None:
    program, structure = found(name)
    for family in experts(name):
        for plan in alone(family):
            assert deviation(program, structure, plan, MIXTURES[name].example(3, 11, seed)) < TOLERANCE


@each
def test_slim_equals_masked_where_some_experts_get_no_token(name: str) -> None:
    program, structure = found(name)
    for token in (3, VOCABULARY - 1):  # two tokens have four of five or six experts at most
        inputs = {"input_ids": torch.tensor([[token, 5]]), "attention_mask": torch.ones(1, 2, dtype=torch.long)}
        assert deviation(program, structure, all_but_one(structure, token), inputs) < TOLERANCE
        assert deviation(program, structure, random_plan(structure, token), inputs) < TOLERANCE


@each
@pytest.mark.parametrize("seed", range(3))
def test_slim_equals_masked_with_units_of_every_kind_gone(name: str, seed: int) -> None:
    program, structure = found(name)
    plan = random_plan(structure, seed, sublayers=False)
    assert deviation(program, structure, plan, MIXTURES[name].example(3, 11, seed)) < TOLERANCE


def test_as_many_experts_stay_as_are_chosen() -> None:
    program, structure = found("softmax over all experts")
    family = experts("softmax over all experts")[0]
    assert (family.least, family.spare) == (2, 3)
    with pytest.raises(PassError, match=f"4 of 5 units of {family.name} would go, and 2 must stay. remove 3 at most"):
        slim_program(program, structure, Plan({family.name: (0, 1, 2, 3)}))
