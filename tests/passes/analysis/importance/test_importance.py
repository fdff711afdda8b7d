"""What holds for every criterion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from prunec.errors import InputError, PassError
from prunec.facts import Scores
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass, criteria
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, scores
from tests.passes.cases import Batch, Case

READING = ["activation", "activation-l2", "kde-activation", "output-information"]
"""Criteria that see what a unit does, and not who reads it."""
BY_DATA = ["activation-weight", "fisher", "flap", "reconstruction", "taylor", "wanda"]


def test_every_criterion_scores_every_unit_finitely(case: Case, context: Context) -> None:
    for criterion, kind in criteria().items():
        if not kind.scores_units or (kind.needs_truth and not case.goal.objective.knows_truth):
            continue
        found = scores(case, criterion, context)
        assert {name: values.shape for name, values in found.items()} == {
            family.name: (family.units,) for family in case.structure.families
        }
        assert all(np.isfinite(values).all() and (values >= 0).all() for values in found.values())


def test_scores_name_their_criterion_and_their_text(llama: Case, context: Context) -> None:
    for criterion, data_hash in (("fisher", "hash"), ("magnitude", "")):
        (found,) = ImportancePass(criterion).run(llama.program, llama.facts(), context).facts
        assert isinstance(found, Scores)
        assert (found.criterion, found.data_hash) == (criterion, data_hash)


@pytest.mark.parametrize("criterion", BY_DATA)
def test_a_neuron_that_nobody_reads_scores_nothing(criterion: str, llama: Case, context: Context) -> None:
    weight = llama.program.tensor(f"{NEURONS}.weight").detach().clone()
    weight[:, 7] = 0
    found = scores(llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight), criterion, context)[NEURONS]
    assert found[7] == pytest.approx(0, abs=1e-12)
    assert found.argmin() == 7
    assert np.delete(found, 7).min() > 1e-9


@pytest.mark.parametrize("criterion", BY_DATA)
def test_a_head_whose_output_is_projected_to_zero_scores_nothing(criterion: str, bert: Case, context: Context) -> None:
    family = "bert.encoder.layer.1.attention.output.dense"
    weight = bert.program.tensor(f"{family}.weight").detach().clone()
    weight[:, 32:48] = 0
    changed = {f"{family}.weight".replace(".", "__"): weight}
    found = scores(bert.with_tensors(**changed), criterion, context)[family]
    assert found[2] == pytest.approx(0, abs=1e-12)
    assert np.delete(found, 2).min() > 1e-9


@pytest.mark.parametrize("criterion", [*READING, *BY_DATA])
def test_neither_order_nor_batching_of_the_text_matters(criterion: str, case: Case, context: Context) -> None:
    together = scores(case, criterion, context)
    single: list[Batch] = [
        {name: value[row : row + 1] for name, value in batch.items()}
        for batch in reversed(case.corpus.score)
        for row in reversed(range(len(batch["input_ids"])))
    ]
    apart = scores(replace(case, corpus=replace(case.corpus, score=tuple(single))), criterion, context)
    for name, values in together.items():
        assert apart[name] == pytest.approx(values, rel=1e-3, abs=1e-7)


def test_padding_counts_for_nothing(llama: Case, context: Context) -> None:
    padded = tuple(
        {name: torch.nn.functional.pad(value, (0, 5)) for name, value in batch.items()} for batch in llama.corpus.score
    )
    wider = replace(llama, corpus=replace(llama.corpus, score=padded))
    for criterion in (*READING, *BY_DATA):
        found, expected = scores(wider, criterion, context), scores(llama, criterion, context)
        assert found[GROUPS] == pytest.approx(expected[GROUPS], rel=1e-3)


def test_an_unknown_criterion_is_refused_with_the_nearest(llama: Case) -> None:
    with pytest.raises(InputError, match="did you mean taylor"):
        ImportancePass("tailor")


def test_a_model_that_overflows_is_named(llama: Case, context: Context) -> None:
    weight = llama.program.tensor(f"{NEURONS}.weight").detach() * float("inf")
    broken = llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight)
    with pytest.raises(PassError, match=r"model\.layers\.2\.self_attn\.o_proj are not finite"):
        scores(broken, "activation-weight", context)
