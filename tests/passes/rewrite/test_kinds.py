"""Families of every kind at once, in many architectures: the slim program equals the masked dense one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from prunec.facts import KINDS, Structure
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.architectures import ARCHITECTURES
from tests.passes.golden import TOLERANCE, all_but_one, alone, deviation, random_plan

WITHOUT_VALUE_DIMS = ("bloom",)
"""In the first, one view holds queries, keys and values of one size; in the other, what makes heads is pinned."""
WITHOUT_SCORE_DIMS = ("bloom",)
"""The first likewise; in the other, norms take a mean over the size of queries and keys."""


@cache
def found(name: str) -> tuple[Program, Structure]:
    program = trace(ARCHITECTURES[name].model(), ARCHITECTURES[name].example(2, 7)).program
    (structure,) = StructurePass(KINDS).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return program, structure


each = pytest.mark.parametrize("name", ARCHITECTURES)


@each
def test_value_dims_are_found_where_no_view_lays_them_out_with_queries_and_keys(name: str) -> None:
    found_dims = [item for item in found(name)[1].families if item.kind == "vo_dim"]
    assert bool(found_dims) == (name not in WITHOUT_VALUE_DIMS)


@each
def test_query_and_key_dims_are_found_where_nothing_else_sums_over_them(name: str) -> None:
    found_dims = [item for item in found(name)[1].families if item.kind == "qk_dim"]
    assert bool(found_dims) == (name not in WITHOUT_SCORE_DIMS)
    assert all(item.points and not item.sites for item in found_dims)


@each
@pytest.mark.parametrize("kind", ["vo_dim", "qk_dim"])
def test_slim_equals_masked_with_dims_gone(name: str, kind: str) -> None:
    program, structure = found(name)
    for family in [item for item in structure.families if item.kind == kind][:1]:
        for plan in alone(family):
            assert deviation(program, structure, plan, ARCHITECTURES[name].example(3, 11)) < TOLERANCE


@each
def test_slim_equals_masked_with_units_of_every_kind_gone(name: str) -> None:
    program, structure = found(name)
    plans = [random_plan(structure, 0), random_plan(structure, 1), all_but_one(structure, 2)]
    for plan in plans:
        assert deviation(program, structure, plan, ARCHITECTURES[name].example(3, 11)) < TOLERANCE
