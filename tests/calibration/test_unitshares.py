"""Shares of units' weights."""

from __future__ import annotations

import numpy as np

from prunec.calibration.unitshares import unit_shares
from prunec.facts import Family, Slot

FAMILY = Family(
    "ffn",
    "neuron",
    2,
    (
        Slot("up.weight", 0, np.array([[0, 1], [2, 3]])),
        Slot("up.bias", 0, np.array([[0, 1], [2, 3]])),
        Slot("down.weight", 1, np.array([[0, 1], [2, 3]])),
    ),
    (),
)


def test_all_matrices_of_a_unit_count_as_one() -> None:
    chosen = {"up.weight": np.zeros((4, 3), dtype=bool), "down.weight": np.zeros((5, 4), dtype=bool)}
    chosen["up.weight"][2:] = True
    chosen["down.weight"][:, 0] = True
    assert unit_shares(FAMILY, chosen.get).tolist() == [5 / 16, 6 / 16]


def test_shares_of_nothing_are_no_numbers() -> None:
    assert np.isnan(unit_shares(FAMILY, lambda _: None)).all()
