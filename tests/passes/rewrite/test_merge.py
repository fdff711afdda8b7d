"""Merging: the unit that stays takes over what the one that goes has in common with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prunec.calibration.statistics import features_by_unit
from prunec.errors import InputError
from prunec.facts import Plan, Recovered, Scores, SecondMoments
from prunec.ir.program import Program
from prunec.passbase import Context, PassResult
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.recover.merge import merged_weights, survivors
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case

MLP = "model.layers.1.mlp"
FFN = f"{MLP}.down_proj"
HEADS = "bert.encoder.layer.1.attention.output.dense"


def with_copies(case: Case, of: int, copies: dict[int, float]) -> Case:
    """The Llama with neurons that are `of`, each times its factor, and matter less than `of` by little."""
    names = [f"{MLP}.{part}_proj.weight" for part in ("gate", "up", "down")]
    gate, up, down = (case.program.tensor(name).detach().clone() for name in names)
    for number, (copy, factor) in enumerate(copies.items()):
        gate[copy], up[copy] = gate[of], factor * up[of]
        down[:, copy] = 0.9 ** (number + 1) / factor * down[:, of]
    return case.with_tensors(
        **{name.replace(".", "__"): value for name, value in zip(names, (gate, up, down), strict=True)}
    )


def scored(case: Case, context: Context) -> tuple[object, ...]:
    return ImportancePass("mutual-information").run(case.program, case.facts(), context).facts


def merge(case: Case, plan: Plan, context: Context) -> tuple[Program, PassResult]:
    """The slim program, and what merging makes of it."""
    slim = slim_program(case.program, case.structure, plan)
    facts = case.facts(plan, *scored(case, context))
    return slim, RecoverPass("merge").run(slim, facts, context)


def difference(one: Program, other: Program, case: Case) -> float:
    """Largest difference of an output on text that nothing was fitted to."""
    with torch.no_grad():
        first, second = one(case.corpus.report[0]), other(case.corpus.report[0])
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.parametrize("copies", [{7: 1.0}, {7: -2.5}, {7: 0.5, 3: 3.0}])
def test_copies_go_first_and_nothing_is_lost(copies: dict[int, float], llama: Case, context: Context) -> None:
    planted = with_copies(llama, 20, copies)
    scores = next(fact for fact in scored(planted, context) if isinstance(fact, Scores))
    first = np.argsort(scores.units[FFN], kind="stable")[: len(copies)]
    assert set(first.tolist()) == set(copies)
    slim, result = merge(planted, Plan({FFN: tuple(sorted(copies))}), context)
    assert difference(slim, planted.program, planted) > 1e-3
    assert difference(result.program, planted.program, planted) < 1e-5


def test_only_what_reads_the_merged_units_changes(llama: Case, context: Context) -> None:
    slim, result = merge(with_copies(llama, 20, {7: 2.0}), Plan({FFN: (7,)}), context)
    changed = {
        name for name, value in result.program.tensors().items() if not torch.equal(value, slim.tensor(name))
    } & set(slim.tensor_names())
    assert changed == {f"{FFN}.weight"}
    (found,) = (fact for fact in result.facts if isinstance(fact, Recovered))
    assert (found.method, found.sublayers) == ("merge", (MLP,))


def test_a_chain_ends_at_what_stays() -> None:
    partners = np.array([1, 2, 3, -1, 0])
    assert survivors(partners, (0, 1, 4)) == {0: 2, 1: 2, 4: 2}
    assert survivors(partners, (3, 4)) == {4: 0}


def test_heads_are_merged_by_least_squares(bert: Case, context: Context) -> None:
    moments = next(fact for fact in scored(bert, context) if isinstance(fact, SecondMoments))
    partners = {HEADS: np.array([1, -1, 1, 1])[: bert.structure.family(HEADS).units]}
    found = merged_weights(bert.program, bert.structure, Plan({HEADS: (0,)}), partners, moments)
    (site,) = bert.structure.family(HEADS).readers().values()
    units, weight = features_by_unit(site), bert.program.tensor(site.weight).detach().double().numpy()
    known = moments.sites[HEADS][site.weight]
    share, *_ = np.linalg.lstsq(known[np.ix_(units[1], units[1])], known[np.ix_(units[1], units[0])], rcond=1e-6)
    expected = weight[:, len(units[0]) :].copy()
    expected[:, : len(units[1])] += weight[:, units[0]] @ share.T
    assert found.keys() == {site.weight}
    assert found[site.weight].numpy() == pytest.approx(expected, abs=1e-5)


def test_held_out_damage_falls(bert: Case, context: Context) -> None:
    scores = next(fact for fact in scored(bert, context) if isinstance(fact, Scores))
    lowest = {
        family.name: tuple(sorted(np.argsort(scores.units[family.name])[: family.units // 4].tolist()))
        for family in bert.structure.families
        if family.kind == "neuron"
    }
    _, result = merge(bert, Plan(lowest), context)
    (found,) = (fact for fact in result.facts if isinstance(fact, Recovered))
    assert found.after < found.before
    assert found.sublayers


def test_without_pairs_it_is_refused(llama: Case, context: Context) -> None:
    plan = Plan({FFN: (7,)})
    slim = slim_program(llama.program, llama.structure, plan)
    facts = ImportancePass("reconstruction").run(llama.program, llama.facts(), context).facts
    with pytest.raises(InputError, match="importance by reconstruction makes none"):
        RecoverPass("merge").run(slim, llama.facts(plan, *facts), context)
