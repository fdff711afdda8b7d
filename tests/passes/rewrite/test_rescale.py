"""Rescaling finds the factors that least squares gives, and stops where they are no repair any more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from prunec.calibration.ridge import STRENGTHS, Moments
from prunec.facts import Plan, Recovered
from prunec.passbase import Context, PassResult
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.recover.rescale import factors, members
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case

MLP = "model.layers.1.mlp"
FFN = f"{MLP}.down_proj"


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sums(reads: Tensor, missing: Tensor) -> Moments:
    found = Moments.zeros(reads.shape[1], missing.shape[1])
    found.add(reads, missing)
    return found


def test_the_factors_are_those_of_plain_least_squares() -> None:
    units = torch.from_numpy(np.repeat(np.arange(3), 2)[:, None] == np.arange(3)).double()
    reads, weight = draw(400, 6, seed=1) @ draw(6, 6, seed=2), draw(6, 4, seed=3)
    missing = (reads * (units @ torch.tensor([0.5, -0.3, 0.0], dtype=torch.float64))) @ weight + draw(400, 4, seed=4)
    found = factors(sums(reads[:300], missing[:300]), sums(reads[300:], missing[300:]), weight, units)
    assert found is not None
    outputs = torch.stack([(reads * column) @ weight for column in units.T], dim=-1)
    train, held_out = (outputs[part].flatten(0, 1) for part in (slice(300), slice(300, None)))
    scale = float(train.square().sum(0).mean())
    tried = []
    for strength in STRENGTHS:
        ridge = (strength * scale) ** 0.5 * torch.eye(3, dtype=torch.float64)
        targets = torch.cat([missing[:300].flatten(), torch.zeros(3, dtype=torch.float64)])[:, None]
        change = torch.linalg.lstsq(torch.cat([train, ridge]), targets).solution[:, 0]
        tried.append((float((missing[300:].flatten() - held_out @ change).square().sum()), change))
    best = min(tried, key=lambda pair: pair[0])[1]
    torch.testing.assert_close(found, 1 + units @ best, rtol=1e-6, atol=1e-8)


def test_rescaled_has_less_error_on_the_calibration_text_than_unscaled() -> None:
    for seed in range(10):
        units = torch.eye(6, dtype=torch.float64)
        reads, weight = draw(400, 6, seed=seed), draw(6, 4, seed=seed + 100)
        missing = draw(400, 4, seed=seed + 200) + 0.3 * reads @ weight
        train = sums(reads[:300], missing[:300])
        found = factors(train, sums(reads[300:], missing[300:]), weight, units)
        assert found is not None
        assert train.error(weight * (found - 1)[:, None]) <= train.error(torch.zeros_like(weight))


def test_nothing_is_scaled_where_nothing_is_missing() -> None:
    reads, weight = draw(200, 4, seed=1), draw(4, 3, seed=2)
    nothing = sums(reads, torch.zeros(200, 3, dtype=torch.float64))
    assert factors(nothing, nothing, weight, torch.eye(4, dtype=torch.float64)) is None


def test_features_are_told_apart_by_the_units_that_stay(bert: Case) -> None:
    family = next(item for item in bert.structure.families if item.kind == "head")
    (site,) = family.sites
    found = members(bert.structure, Plan({family.name: (1,)}), site.node)
    assert found is not None
    left = [unit for unit in site.unit_of if unit != 1]
    assert found.shape == (len(left), family.units - 1)
    assert [int(unit) for unit in found.argmax(1)] == [unit - (unit > 1) for unit in left]
    assert (found.sum(1) == 1).all()
    assert members(bert.structure, Plan({}), "elsewhere") is None


def twins(case: Case, share: float) -> Case:
    """The Llama with neuron 7 equal to neuron 20, adding `share` of what that one adds."""
    names = [f"{MLP}.{part}_proj.weight" for part in ("gate", "up", "down")]
    gate, up, down = (case.program.tensor(name).detach().clone() for name in names)
    gate[7], up[7], down[:, 7] = gate[20], up[20], share * down[:, 20]
    return case.with_tensors(
        **{name.replace(".", "__"): value for name, value in zip(names, (gate, up, down), strict=True)}
    )


def rescaled(case: Case, plan: Plan, context: Context) -> tuple[Tensor, PassResult]:
    """The factors that the neurons' columns got, and the result."""
    slim = slim_program(case.program, case.structure, plan)
    result = RecoverPass("rescale").run(slim, case.facts(plan), context)
    old, new = (program.tensor(f"{FFN}.weight").detach() for program in (slim, result.program))
    return (new * old).sum(0) / old.square().sum(0), result


def test_a_unit_gets_louder_by_what_its_twin_said(llama: Case, context: Context) -> None:
    scales, result = rescaled(twins(llama, 5.0), Plan({FFN: (7,)}), context)
    (found,) = (fact for fact in result.facts if isinstance(fact, Recovered))
    assert MLP in found.sublayers
    assert found.after < 0.05 * found.before
    assert float(scales[19]) == pytest.approx(6.0, rel=0.05)
    assert float((torch.cat([scales[:19], scales[20:]]) - 1).abs().max()) < 0.5


def test_a_factor_above_ten_stops_it(llama: Case, context: Context) -> None:
    scales, result = rescaled(twins(llama, 20.0), Plan({FFN: (7,)}), context)
    (found,) = (fact for fact in result.facts if isinstance(fact, Recovered))
    assert scales.tolist() == pytest.approx([1.0] * len(scales))
    assert MLP not in found.sublayers


def test_held_out_damage_falls(case: Case, context: Context) -> None:
    neurons = [family for family in case.structure.families if family.kind == "neuron"]
    plan = Plan({family.name: tuple(range(0, family.units, 2)) for family in neurons})
    slim = slim_program(case.program, case.structure, plan)
    (found,) = RecoverPass("rescale").run(slim, case.facts(plan), context).facts
    assert isinstance(found, Recovered)
    assert found.after < found.before
