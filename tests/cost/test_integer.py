"""The integer solver answers exactly, says what it cannot, and prints nothing."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, milp

from prunec.cost.integer import least
from prunec.errors import BudgetError

columns = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), min_size=1, max_size=7)


@given(columns, st.integers(0, 30))
def test_the_answer_is_the_best_of_all(pairs: list[tuple[int, int]], room: int) -> None:
    values, weights = np.array(pairs, dtype=float).T
    taken = least(values, [LinearConstraint(weights[None], -np.inf, room)])
    every = (np.array(choice) for choice in itertools.product((False, True), repeat=len(pairs)))
    best = min(values @ choice for choice in every if weights @ choice <= room)
    assert weights @ taken <= room
    assert values @ taken == pytest.approx(best)


def test_a_choice_that_cannot_be_proved_the_best_ends_close_to_it() -> None:
    draw = np.random.default_rng(109)
    gone = np.linspace(0, 1, 33)
    sizes = (1 - 0.9 * gone) * (1 + 0.02 * draw.standard_normal(33))
    weights = np.tile(sizes, 60)
    values = np.concatenate([gone**1.1 * (1 + 0.05 * draw.standard_normal()) for _ in range(60)])
    one_each = np.kron(np.eye(60), np.ones(33))
    room = 0.66 * 60 * sizes[0]
    taken = least(values, [LinearConstraint(one_each, 1, 1), LinearConstraint(weights[None], -np.inf, room)])
    bound = linprog(values, weights[None], room, one_each, np.ones(60), (0, 1)).fun
    assert bound is not None
    assert weights @ taken <= room
    assert (one_each @ taken == 1).all()
    assert bound <= values @ taken <= 1.002 * bound


def test_what_cannot_be_satisfied_is_a_budget_too_small() -> None:
    with pytest.raises(BudgetError, match="no choice of sizes meets the budget"):
        least(np.ones(2), [LinearConstraint(np.ones((1, 2)), 3, np.inf)])


def test_what_native_code_prints_is_not_seen(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def talkative(*words: Any, **options: Any) -> Any:
        os.write(1, b"a line left in by mistake\n")
        return milp(*words, **options)

    monkeypatch.setattr("prunec.cost.integer.milp", talkative)
    print("before", flush=True)
    least(-np.ones(2), [LinearConstraint(np.ones((1, 2)), -np.inf, 1)])
    print("after", flush=True)
    assert capfd.readouterr().out == "before\nafter\n"
