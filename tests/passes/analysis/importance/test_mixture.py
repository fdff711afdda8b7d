"""Mixtures of criteria: read from text, averaged by rank."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from prunec.errors import InputError
from prunec.facts import Scores, SecondMoments
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.analysis.importance.mixture import Term, mixed, read_mixture
from tests.passes.analysis.importance.scoring import NEURONS, scores
from tests.passes.cases import Case


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("taylor", (Term("taylor", 1),)),
        ("reconstruction+0.5*taylor", (Term("reconstruction", 1), Term("taylor", 0.5))),
        (" 2 * flap + .25*activation-l2 ", (Term("flap", 2), Term("activation-l2", 0.25))),
    ],
)
def test_a_mixture_is_names_with_weights(text: str, terms: tuple[Term, ...]) -> None:
    assert read_mixture(text) == terms


@pytest.mark.parametrize("text", ["", "+taylor", "taylor+", "x*taylor", "0*taylor", "taylor flap", "-1*taylor"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no mixture"):
        read_mixture(text)


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InputError, match="names taylor twice"):
        read_mixture("taylor+flap+2*taylor")


def test_each_name_of_a_mixture_is_checked(llama: Case) -> None:
    with pytest.raises(InputError, match="no importance criterion 'wander'"):
        ImportancePass("taylor+wander")


def test_one_criterion_keeps_its_own_scores() -> None:
    values = np.array([0.1, 7.0, 3.0])
    assert mixed((Term("a", 2),), {"a": values}) is values


def test_ranks_are_averaged_by_weight() -> None:
    found = mixed((Term("a", 1), Term("b", 3)), {"a": np.array([1.0, 100.0]), "b": np.array([9.0, 9.0])})
    assert found.tolist() == [(0.25 + 3 * 0.5) / 4, (0.75 + 3 * 0.5) / 4]


def test_a_mixture_lies_between_its_parts(llama: Case, context: Context) -> None:
    both = scores(llama, "magnitude+taylor", context)[NEURONS]
    for part in ("magnitude", "taylor"):
        alone = scores(llama, part, context)[NEURONS]
        assert spearmanr(both, alone).statistic > 0.4
        assert (both.argsort() != alone.argsort()).any()


def test_a_mixture_gives_what_its_parts_give(llama: Case, context: Context) -> None:
    result = ImportancePass("magnitude+reconstruction").run(llama.program, llama.facts(), context)
    (found,) = [fact for fact in result.facts if isinstance(fact, Scores)]
    assert (found.criterion, found.data_hash) == ("magnitude+reconstruction", "hash")
    assert any(isinstance(fact, SecondMoments) for fact in result.facts)
