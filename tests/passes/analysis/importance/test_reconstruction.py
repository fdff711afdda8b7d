"""Reconstruction is the least error that is left when a unit goes and the others make up for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunec.calibration.compensation import DAMPING
from prunec.facts import SecondMoments
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, projected, rows, scores
from tests.passes.cases import Case


def least_squares_error(reads: Tensor, weight: Tensor, gone: list[int]) -> float:
    """Mean over tokens of the squared error of the best fit without the features `gone`, by a plain solver."""
    moments = reads.T @ reads / len(reads)
    ridge = DAMPING * float(moments.diagonal().mean())
    stacked = torch.cat([reads / len(reads) ** 0.5, ridge**0.5 * torch.eye(reads.shape[1], dtype=reads.dtype)])
    kept = [feature for feature in range(reads.shape[1]) if feature not in gone]
    fitted = torch.linalg.lstsq(stacked[:, kept], stacked @ weight).solution
    return float((stacked @ weight - stacked[:, kept] @ fitted).square().sum())


@pytest.mark.parametrize(("family", "size"), [(NEURONS, 1), (GROUPS, 32)])
def test_the_first_to_go_costs_what_least_squares_leaves(
    family: str, size: int, llama: Case, module: PreTrainedModel, context: Context
) -> None:
    found = scores(llama, "reconstruction", context)[family]
    reads = torch.cat([projected(module, family, row)[0] for row in rows(llama.corpus.score)])
    weight = module.get_submodule(family).get_parameter("weight").detach().double().T
    alone = [least_squares_error(reads, weight, [*range(size * u, size * u + size)]) for u in range(len(found))]
    first = int(found.argmin())
    assert first == int(np.argmin(alone))
    assert found[first] == pytest.approx(alone[first], rel=1e-4)


def test_of_two_equal_neurons_one_goes_for_nothing(llama: Case, context: Context) -> None:
    gate, up = (llama.program.tensor(f"model.layers.1.mlp.{n}_proj.weight").detach().clone() for n in ("gate", "up"))
    gate[5], up[5] = gate[4], up[4]
    twins = {"model__layers__1__mlp__gate_proj__weight": gate, "model__layers__1__mlp__up_proj__weight": up}
    found = scores(llama.with_tensors(**twins), "reconstruction", context)[NEURONS]
    assert found.argmin() in (4, 5)
    assert found.min() < 0.05 * np.sort(found)[1]


def test_the_moments_are_handed_on(llama: Case, context: Context) -> None:
    facts = ImportancePass("reconstruction").run(llama.program, llama.facts(), context).facts
    (moments,) = [fact for fact in facts if isinstance(fact, SecondMoments)]
    assert {name: next(iter(own.values())).shape for name, own in moments.sites.items()} == {
        family.name: (len(family.sites[0].unit_of),) * 2 for family in llama.structure.families
    }
