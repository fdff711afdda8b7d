"""Damage is what the objective says of the masked program, one removal at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from prunec.facts import Damage, Plan, Scores, SecondMoments, Structure
from prunec.passbase import Context, Facts
from prunec.passes.analysis.damage import DamagePass
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.analysis.structure import StructurePass
from tests.passes.cases import Case, masked_damage

EVERYTHING = 1_000_000


def random_scores(case: Case) -> Scores:
    generator = np.random.default_rng(0)
    return Scores("random", "", {family.name: generator.random(family.units) for family in case.structure.families})


def measured(case: Case, scores: Scores, context: Context, work: DamagePass) -> Damage:
    (found,) = work.run(case.program, case.facts(scores), context).facts
    assert isinstance(found, Damage)
    return found


def test_a_sublayer_costs_what_the_masked_program_loses(case: Case, context: Context) -> None:
    damage = measured(case, random_scores(case), context, DamagePass(tokens=EVERYTHING))
    assert damage.objective == case.goal.objective.damage_unit
    assert set(damage.sublayers) == {sublayer.name for sublayer in case.structure.sublayers}
    for name, value in damage.sublayers.items():
        assert value > 0
        assert value == pytest.approx(masked_damage(case, Plan({}, (name,)), case.corpus.choose), rel=1e-4)


def test_a_family_loses_its_lowest_scored_units(case: Case, context: Context) -> None:
    scores = random_scores(case)
    damage = measured(case, scores, context, DamagePass(fractions=(0.25, 0.5), tokens=EVERYTHING))
    for family in case.structure.families:
        order = np.argsort(scores.units[family.name])
        start, *points = damage.families[family.name]
        assert start == (0, 0.0)
        assert {removed for removed, _ in points} == {max(1, round(share * family.units)) for share in (0.25, 0.5)}
        for removed, value in points:
            plan = Plan({family.name: tuple(sorted(order[:removed].tolist()))})
            assert value == pytest.approx(masked_damage(case, plan, case.corpus.choose), rel=1e-3, abs=1e-6)


def test_a_sublayer_that_adds_nothing_costs_nothing(llama: Case, context: Context) -> None:
    weight = torch.zeros_like(llama.program.tensor("model.layers.1.mlp.down_proj.weight"))
    idle = llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight)
    damage = measured(idle, random_scores(idle), context, DamagePass(tokens=EVERYTHING))
    assert damage.sublayers["model.layers.1.mlp"] == pytest.approx(0, abs=1e-7)
    assert damage.families["model.layers.1.mlp.down_proj"][-1][1] == pytest.approx(0, abs=1e-7)
    assert damage.sublayers["model.layers.1.self_attn"] > 1e-4


def test_little_text_is_used_where_little_is_asked_for(llama: Case, context: Context) -> None:
    few = measured(llama, random_scores(llama), context, DamagePass(tokens=1))
    plan = Plan({}, ("model.layers.0.mlp",))
    assert few.sublayers["model.layers.0.mlp"] == pytest.approx(
        masked_damage(llama, plan, llama.corpus.choose[:1]), rel=1e-4
    )


def test_where_moments_are_known_what_is_left_is_re_fitted_first(llama: Case, context: Context) -> None:
    gate, up = (llama.program.tensor(f"model.layers.1.mlp.{n}_proj.weight").detach().clone() for n in ("gate", "up"))
    gate[5], up[5] = gate[4], up[4]
    twins = llama.with_tensors(model__layers__1__mlp__gate_proj__weight=gate, model__layers__1__mlp__up_proj__weight=up)
    work, family = DamagePass(fractions=(1 / 96,), tokens=EVERYTHING), "model.layers.1.mlp.down_proj"
    scores = random_scores(twins)
    scores.units[family][4] = -1.0
    plain = measured(twins, scores, context, work).families[family][1]
    given = ImportancePass("reconstruction").run(twins.program, twins.facts(), context).facts
    (moments,) = [fact for fact in given if isinstance(fact, SecondMoments)]
    (mended,) = work.run(twins.program, twins.facts(scores, moments), context).facts
    assert isinstance(mended, Damage)
    assert plain[0] == mended.families[family][1][0] == 1
    assert mended.families[family][1][1] < 0.05 * plain[1]


def test_what_is_re_fitted_is_masked_in_means_all_the_same(llama: Case, context: Context) -> None:
    (structure,) = StructurePass(("hidden",)).run(llama.program, Facts(), context).facts
    assert isinstance(structure, Structure)
    hidden = replace(llama, structure=structure)
    (family,) = structure.families
    # Features that tell nothing of one another: what is left is re-fitted to itself.
    apart = {name: np.eye(len(site.unit_of)) for name, site in family.readers().items()}
    scores, work = random_scores(hidden), DamagePass(fractions=(0.25,), tokens=EVERYTHING)
    (damage,) = work.run(llama.program, hidden.facts(scores, SecondMoments({family.name: apart})), context).facts
    assert isinstance(damage, Damage)
    removed, value = damage.families[family.name][1]
    plan = Plan({family.name: tuple(sorted(np.argsort(scores.units[family.name])[:removed].tolist()))})
    assert value == pytest.approx(masked_damage(hidden, plan, llama.corpus.choose), rel=1e-4)


def test_what_no_weight_reads_is_measured_by_its_masks(llama: Case, context: Context) -> None:
    structure = StructurePass(("qk_dim",)).run(llama.program, llama.facts(), context).facts[0]
    assert isinstance(structure, Structure)
    dims = replace(llama, structure=structure)
    scores = random_scores(dims)
    (family,) = structure.families
    moments = SecondMoments({family.name: {}})
    (found,) = DamagePass((0.5,), tokens=EVERYTHING).run(dims.program, dims.facts(scores, moments), context).facts
    assert isinstance(found, Damage)
    plan = Plan({family.name: tuple(sorted(np.argsort(scores.units[family.name])[:4].tolist()))})
    removed, value = found.families[family.name][1]
    assert removed == 4
    assert value == pytest.approx(masked_damage(dims, plan, dims.corpus.choose), rel=1e-3)


def test_sublayers_that_are_scored_in_its_unit_are_not_measured_again(llama: Case, context: Context) -> None:
    scores, known = random_scores(llama), {item.name: 0.5 + n for n, item in enumerate(llama.structure.sublayers)}
    same = replace(scores, sublayers=known, unit=llama.goal.objective.damage_unit)
    assert measured(llama, same, context, DamagePass()).sublayers == known
    other = measured(llama, replace(same, unit=""), context, DamagePass())
    assert other == measured(llama, scores, context, DamagePass())
    assert set(other.sublayers.values()).isdisjoint(known.values())


def test_what_scores_sublayers_alone_weighs_them_and_no_family(llama: Case, context: Context) -> None:
    known = {item.name: float(n) for n, item in enumerate(llama.structure.sublayers)}
    damage = measured(llama, Scores("block-influence", "", {}, known), context, DamagePass())
    assert damage == Damage("block-influence", {}, known)
