"""Random scores are a control: drawn by seed, whatever else is scored."""

from __future__ import annotations

from dataclasses import replace

from prunec.passbase import Context
from tests.passes.analysis.importance.scoring import GROUPS, NEURONS, scores
from tests.passes.cases import Case


def test_the_seed_decides(llama: Case, context: Context) -> None:
    first, again = (scores(llama, "random", context)[NEURONS] for _ in range(2))
    other = scores(llama, "random", replace(context, seed=1))[NEURONS]
    assert (first == again).all()
    assert (first != other).all()


def test_a_family_scores_the_same_beside_fewer_others(llama: Case, context: Context) -> None:
    only = tuple(item for item in llama.structure.families if item.name == NEURONS)
    alone = replace(llama, structure=replace(llama.structure, families=only))
    assert (scores(alone, "random", context)[NEURONS] == scores(llama, "random", context)[NEURONS]).all()
    assert GROUPS not in scores(alone, "random", context)
