"""What holds for every criterion that scores sublayers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from prunec.errors import InputError, PassError
from prunec.facts import Structure
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass, criteria
from tests.passes.analysis.importance.scoring import scored
from tests.passes.cases import Batch, Case

CRITERIA = ["block-influence", "loss", "tunability"]
ALONE = ["block-influence", "tunability"]
"""Those that score no units."""


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_sublayer_is_scored(criterion: str, case: Case, context: Context) -> None:
    found = scored(case, criterion, context)
    assert found.sublayers.keys() == {sublayer.name for sublayer in case.structure.sublayers}
    assert all(value > 0 for value in found.sublayers.values())
    assert bool(found.units) == criteria()[criterion].scores_units
    assert found.data_hash == "hash"


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_sublayer_that_adds_nothing_scores_nothing(criterion: str, llama: Case, context: Context) -> None:
    weight = torch.zeros_like(llama.program.tensor("model.layers.0.mlp.down_proj.weight"))
    idle = llama.with_tensors(model__layers__0__mlp__down_proj__weight=weight)
    found = scored(idle, criterion, context)
    assert found.sublayers["model.layers.0.mlp"] == pytest.approx(0, abs=1e-9)
    assert min(found.sublayers, key=found.sublayers.__getitem__) == "model.layers.0.mlp"
    assert found.undone.get("model.layers.0.mlp", 0) == 0


@pytest.mark.parametrize("criterion", CRITERIA)
def test_neither_order_nor_batching_of_the_text_matters(criterion: str, case: Case, context: Context) -> None:
    def apart(batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
        return tuple(
            {name: value[row : row + 1] for name, value in batch.items()}
            for batch in reversed(batches)
            for row in reversed(range(len(batch["input_ids"])))
        )

    together = scored(case, criterion, context)
    corpus = replace(case.corpus, score=apart(case.corpus.score), choose=apart(case.corpus.choose))
    single = scored(replace(case, corpus=corpus), criterion, context)
    assert single.sublayers == pytest.approx(together.sublayers, rel=1e-3, abs=1e-9)
    assert single.undone == pytest.approx(together.undone, abs=1e-3)


@pytest.mark.parametrize("criterion", ALONE)
def test_padding_counts_for_nothing(criterion: str, llama: Case, context: Context) -> None:
    padded = tuple(
        {name: torch.nn.functional.pad(value, (0, 5)) for name, value in batch.items()} for batch in llama.corpus.score
    )
    wider = replace(llama, corpus=replace(llama.corpus, score=padded))
    found, expected = (scored(case, criterion, context) for case in (wider, llama))
    assert found.sublayers == pytest.approx(expected.sublayers, rel=1e-3)


@pytest.mark.parametrize("criterion", ["block-influence+magnitude", "loss+0.5*tunability"])
def test_sublayers_and_units_are_not_mixed(criterion: str) -> None:
    with pytest.raises(InputError, match=r"which scores sublayers alone, with (magnitude|loss), which scores units"):
        ImportancePass(criterion)


def test_mixtures_of_sublayer_criteria_average_ranks(llama: Case, context: Context) -> None:
    found = scored(llama, "block-influence+3*tunability", context)
    names = list(found.sublayers)
    ranks = {}
    for criterion in ALONE:
        own = scored(llama, criterion, context).sublayers
        ranks[criterion] = {name: (sorted(names, key=own.__getitem__).index(name) + 0.5) / len(names) for name in names}
    expected = {n: (ranks["block-influence"][n] + 3 * ranks["tunability"][n]) / 4 for n in names}
    assert found.sublayers == pytest.approx(expected)
    assert not found.units
    assert found.data_hash == "hash"


def test_loss_beside_a_criterion_of_units_mixes_units_and_leaves_sublayers_out(llama: Case, context: Context) -> None:
    found = scored(llama, "loss+magnitude", context)
    assert found.units
    assert (dict(found.sublayers), found.unit) == ({}, "")


def test_a_model_without_sublayers_is_refused(llama: Case, context: Context) -> None:
    bare = replace(llama, structure=Structure(llama.structure.families, ()))
    with pytest.raises(PassError, match="block-influence scores sublayers, and this model has none"):
        ImportancePass("block-influence").run(bare.program, bare.facts(), context)


def test_an_overflowing_sublayer_is_named(llama: Case, context: Context) -> None:
    weight = llama.program.tensor("model.layers.1.mlp.down_proj.weight").detach() * float("inf")
    broken = llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight)
    for criterion in ALONE:
        with pytest.raises(PassError, match=r"model\.layers\.\d\.mlp are not finite"):
            scored(broken, criterion, context)
