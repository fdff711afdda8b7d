"""The solution path of tiny programs: what does nothing enters last, and neither batches nor runs change the order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from prunec.calibration.masked import masked_program, open_masks
from prunec.calibration.tokens import sequences, token_count
from prunec.cost.counting import count_per_unit
from prunec.errors import InputError
from prunec.facts import SolutionPath
from prunec.passbase import Context
from prunec.passes.analysis.solution_path import SolutionPathPass
from tests.passes.cases import Case, with_tensors

WORK = SolutionPathPass(steps=12, step=0.4, kappa=2.0, tokens=20)


def followed(case: Case, context: Context, work: SolutionPathPass = WORK) -> SolutionPath:
    """The path of the case."""
    (path,) = work.run(case.program, case.facts(), context).facts
    assert isinstance(path, SolutionPath)
    return path


def test_units_that_do_nothing_enter_last(case: Case, context: Context) -> None:
    dead: dict[str, list[int]] = {}
    tensors = {}
    for family in case.structure.families:
        (site,) = family.sites
        dead[family.name] = [1, family.units - 1]
        weight = case.program.tensor(site.weight).clone()
        features = np.flatnonzero(np.isin(site.unit_of, dead[family.name]))
        weight.index_fill_(site.dim, torch.from_numpy(features), 0.0)
        tensors[site.weight] = weight
    path = followed(replace(case, program=with_tensors(case.program, tensors)), context)
    idle = [path.entries[name][units] for name, units in dead.items()]
    alive = [np.delete(path.entries[name], units) for name, units in dead.items()]
    assert np.concatenate(idle).min() > np.concatenate(alive).max()


def test_steps_follow_the_gradient_by_hand(case: Case, context: Context) -> None:
    """All text in each of three steps: the first gradient moves the masks, and so what the third adds to V."""
    rows = [row for batch in case.corpus.score for row in sequences(batch)]
    work = replace(WORK, steps=3, tokens=sum(map(token_count, rows)))
    masked, families = masked_program(case.program, case.structure), case.structure.families
    per_unit = [float(count_per_unit(case.program, family, "parameters")) for family in families]
    weights = torch.cat([torch.full((f.units,), count) for f, count in zip(families, per_unit, strict=True)])
    weights = weights / weights.mean()

    def loss(masks: torch.Tensor) -> torch.Tensor:
        parts = masks.split([family.units for family in families])
        inputs = open_masks(case.structure)
        inputs |= {f"mask.{family.name}": part for family, part in zip(families, parts, strict=True)}
        distances = [case.goal.objective.distance(masked({**row, **inputs}), case.program(row), row) for row in rows]
        return torch.stack(distances).mean()

    masks, drive = torch.ones(len(weights)), torch.zeros(len(weights))
    scale = work.hold * len(weights) / (8 * loss(masks / 2).item())
    for _ in range(3):
        leaf = masks.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        drive = drive + work.step * masks
        masks = (masks - work.kappa * work.step * (scale * gradient / weights + masks)).clamp(0, 1)
    assert not bool((drive >= 1).any())
    entries = np.concatenate(list(followed(case, context, work).entries.values()))
    np.testing.assert_allclose(entries, (3 * work.step / drive).numpy(), rtol=1e-3)


def test_batches_make_no_difference(case: Case, context: Context) -> None:
    alone = tuple(row for batch in case.corpus.score for row in sequences(batch))
    other = followed(replace(case, corpus=replace(case.corpus, score=alone)), context)
    for name, entries in followed(case, context).entries.items():
        np.testing.assert_allclose(entries, other.entries[name], rtol=1e-4)


def test_every_run_gives_the_same(bert: Case, context: Context) -> None:
    first, second = followed(bert, context), followed(bert, context)
    assert all(np.array_equal(first.entries[name], second.entries[name]) for name in first.entries)


@pytest.mark.parametrize("setting", ["hold", "kappa", "step", "steps"])
def test_settings_that_lead_nowhere_are_refused(setting: str) -> None:
    with pytest.raises(InputError, match=f"with {setting}=0 goes nowhere"):
        SolutionPathPass(**{setting: 0})
