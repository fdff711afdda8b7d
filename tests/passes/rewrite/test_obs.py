"""The surgeon's update: what stays makes up for what goes, one unit after the other or all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunec.calibration import compensation
from prunec.calibration.compensation import compensate, damped
from prunec.facts import Family, Plan, Recovered, SecondMoments, Site, Structure
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.recover.obs import updated_weights
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case
from tests.programs import program_from_module


@pytest.fixture
def reads() -> Tensor:
    """Activations `[tokens, features]` that depend on each other."""
    draw = torch.Generator().manual_seed(3)
    mixing = torch.randn(12, 12, dtype=torch.float64, generator=draw)
    return torch.randn(500, 12, dtype=torch.float64, generator=draw) @ mixing


@pytest.fixture
def weight() -> Tensor:
    """`[features, outputs]`."""
    return torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def surgeon(weight: Tensor, hessian: Tensor, groups: list[list[int]]) -> Tensor:
    """Remove `groups` of features one after the other, each with its update, as it is published."""
    weight, inverse = weight.clone(), torch.linalg.inv(hessian)
    for gone in groups:
        step = inverse[:, gone] @ torch.linalg.inv(inverse[gone][:, gone])
        weight, inverse = weight - step @ weight[gone], inverse - step @ inverse[gone]
    return weight


@pytest.mark.parametrize("groups", [[[2], [7], [8]], [[8], [2], [7]], [[2, 7], [8]]])
def test_removing_one_at_a_time_ends_where_one_fit_does(groups: list[list[int]], reads: Tensor, weight: Tensor) -> None:
    moments = reads.T @ reads / len(reads)
    kept = torch.ones(12, dtype=torch.bool)
    kept[[2, 7, 8]] = False
    one_by_one = surgeon(weight, damped(moments), groups)
    assert one_by_one[~kept].abs().max() < 1e-9
    torch.testing.assert_close(compensate(weight, moments, kept), one_by_one, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("gone", [[2], [7, 8]])
def test_half_of_rho_is_the_measured_error_without_damping(
    gone: list[int], reads: Tensor, weight: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compensation, "DAMPING", 1e-12)
    inverse = torch.linalg.inv(2 * reads.T @ reads)
    rho = float((weight[gone] * torch.linalg.solve(inverse[gone][:, gone], weight[gone])).sum())
    kept = torch.ones(12, dtype=torch.bool)
    kept[gone] = False
    fitted = compensate(weight, reads.T @ reads / len(reads), kept)
    measured = float((reads @ fitted - reads @ weight).square().sum())
    assert rho / 2 == pytest.approx(measured, rel=0.01)


def test_the_error_is_below_that_of_plain_slicing(reads: Tensor, weight: Tensor) -> None:
    moments = reads.T @ reads / len(reads)
    for seed in range(20):
        kept = torch.rand(12, generator=torch.Generator().manual_seed(seed)) > 0.4
        fitted, cut = compensate(weight, moments, kept), weight * kept[:, None]
        assert (reads @ (fitted - weight)).norm() <= (reads @ (cut - weight)).norm()


def test_two_families_that_one_weight_reads_are_updated_together(reads: Tensor) -> None:
    program = program_from_module(nn.Linear(12, 3), {"input": torch.randn(2, 12)}, {})
    one, other = np.full(12, -1), np.full(12, -1)
    one[:8], other[8:] = np.repeat(np.arange(4), 2), np.arange(4)
    families = tuple(
        Family(name, "neuron", 4, (), (Site("linear", 0, "weight", 1, unit_of),))
        for name, unit_of in (("pairs", one), ("singles", other))
    )
    moments = reads.T @ reads / len(reads)
    known = SecondMoments({family.name: {"weight": moments.numpy()} for family in families})
    found = updated_weights(program, Structure(families, ()), Plan({"pairs": (1,), "singles": (0, 3)}), known)["weight"]
    kept = torch.ones(12, dtype=torch.bool)
    kept[[2, 3, 8, 11]] = False
    plain = compensate(program.tensor("weight").detach().T.double(), moments, kept)
    assert torch.allclose(found.T.double(), plain, atol=1e-6)


def lowest_half(case: Case) -> Plan:
    neurons = [family for family in case.structure.families if family.kind == "neuron"]
    return Plan({family.name: tuple(range(0, family.units, 2)) for family in neurons})


def test_held_out_damage_falls(case: Case, context: Context) -> None:
    plan = replace(lowest_half(case), sublayers=(case.structure.sublayers[-1].name,))
    slim = slim_program(case.program, case.structure, plan)
    result = RecoverPass("obs").run(slim, case.facts(plan), context)
    (found,) = (fact for fact in result.facts if isinstance(fact, Recovered))
    assert found.after < found.before
    assert found.sublayers
    assert plan.sublayers[0] not in found.sublayers


def test_only_what_reads_removed_units_changes_and_moments_at_hand_are_the_same(bert: Case, context: Context) -> None:
    plan = lowest_half(bert)
    slim = slim_program(bert.program, bert.structure, plan)
    alone = RecoverPass("obs").run(slim, bert.facts(plan), context).program
    facts = ImportancePass("reconstruction").run(bert.program, bert.facts(), context).facts
    given = RecoverPass("obs").run(slim, bert.facts(plan, *facts), context).program
    changed = {name for name, value in alone.tensors().items() if not torch.equal(value, slim.tensor(name))}
    assert changed == {f"{name}.weight" for name in plan.units}
    for name in changed:
        torch.testing.assert_close(alone.tensor(name), given.tensor(name), rtol=1e-3, atol=1e-5)
