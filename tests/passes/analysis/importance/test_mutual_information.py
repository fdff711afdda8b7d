"""Mutual information finds what is said twice; a unit's information on the output is what it tells of it."""

from __future__ import annotations

import numpy as np
import pytest

from prunec.passbase import Context
from prunec.passes.analysis.importance.mutual_information import SHORTLIST, _closest, _from_closest_pair, _shared_out
from tests.passes.analysis.importance.scoring import NEURONS, scored, scores
from tests.passes.cases import Case

MLP = "model.layers.1.mlp"


def with_twin(case: Case, twin: int, of: int, share: float) -> Case:
    """The case with one neuron a copy of another, read with `share` of its column."""
    named = {f"{MLP}.{part}_proj.weight": None for part in ("gate", "up", "down")}
    tensors = {name: case.program.tensor(name).detach().clone() for name in named}
    for part in ("gate", "up"):
        weight = tensors[f"{MLP}.{part}_proj.weight"]
        weight[twin] = weight[of]
    down = tensors[f"{MLP}.down_proj.weight"]
    down[:, twin] = share * down[:, of]
    return case.with_tensors(**{name.replace(".", "__"): value for name, value in tensors.items()})


def test_a_duplicate_goes_first_the_one_that_matters_less(llama: Case, context: Context) -> None:
    for share, going in ((0.5, 7), (2.0, 20)):
        found = scores(with_twin(llama, 7, 20, share), "mutual-information", context)[NEURONS]
        assert found.argmin() == going
        assert found[going] == 0
        assert np.delete(found, going).min() > 0.001


def test_every_unit_but_one_has_a_partner_that_goes_later(case: Case, context: Context) -> None:
    found = scored(case, "mutual-information", context)
    assert found.partners.keys() == found.units.keys()
    for name, partners in found.partners.items():
        left = np.flatnonzero(partners < 0)
        assert left == found.units[name].argmax()
        others = np.delete(np.arange(len(partners)), left)
        assert (found.units[name][others] <= found.units[name][partners[others]]).all()


def test_a_duplicate_is_paired_with_what_it_duplicates(llama: Case, context: Context) -> None:
    assert scored(with_twin(llama, 7, 20, 0.5), "mutual-information", context).partners[NEURONS][7] == 20


def test_a_mixture_has_no_partners(llama: Case, context: Context) -> None:
    assert not scored(llama, "mutual-information+taylor", context).partners


def test_the_closest_pairs_share_out_their_figures_by_the_other_order() -> None:
    alike = np.array([[9.0, 0.5, 0.3, 0.0], [0.5, 9.0, 0.4, 0.1], [0.3, 0.4, 9.0, 0.2], [0.0, 0.1, 0.2, 9.0]])
    pairs = _closest(alike, 3)
    assert pairs.tolist() == [[0, 1], [1, 2], [0, 2]]
    found = _shared_out(alike, pairs, np.array([0.1, 0.3, 0.2]))
    assert (found == found.T).all()
    assert (found[0, 1], found[1, 2], found[0, 2]) == (0.3, 0.5, 0.4)
    assert (found[3] == alike[3]).all()
    assert len(_closest(alike, SHORTLIST)) == 6


def test_pairs_go_from_the_closest_on() -> None:
    alike = np.array([[9.0, 0.5, 0.3, 0.0], [0.5, 9.0, 0.4, 0.1], [0.3, 0.4, 9.0, 0.2], [0.0, 0.1, 0.2, 9.0]])
    found, partners = _from_closest_pair(alike, np.array([1.0, 2.0, 3.0, 4.0]))
    assert partners.tolist() == [1, 2, 3, -1]
    assert found[:3] == pytest.approx([0.0, 0.1, 0.3])
    assert found[3] > found[2]


def test_a_silent_neuron_tells_nothing_of_the_output(llama: Case, context: Context) -> None:
    weight = llama.program.tensor(f"{MLP}.up_proj.weight").detach().clone()
    weight[7] = 0
    silent = llama.with_tensors(model__layers__1__mlp__up_proj__weight=weight)
    assert scores(silent, "output-information", context)[NEURONS][7] == pytest.approx(0, abs=1e-6)


def test_a_neuron_that_makes_most_of_the_output_tells_most_of_it(llama: Case, context: Context) -> None:
    weight = llama.program.tensor(f"{NEURONS}.weight").detach().clone()
    weight[:, 11] *= 100
    loud = llama.with_tensors(model__layers__1__mlp__down_proj__weight=weight)
    assert scores(loud, "output-information", context)[NEURONS].argmax() == 11


def test_a_unit_alone_in_its_family_has_no_partner() -> None:
    assert not len(_closest(np.array([[9.0]]), SHORTLIST))
    found, partners = _from_closest_pair(np.array([[9.0]]), np.ones(1))
    assert (len(found), partners.tolist()) == (1, [-1])
