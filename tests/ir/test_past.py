"""What a request leaves out follows from it: an empty cache, and positions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunec.ir.past import completed, handed_on
from prunec.ir.program import CachePair, Program
from tests.ir.sketch import Sketch

aten = torch.ops.aten


@pytest.fixture
def program() -> Program:
    """Hands on a cache of 3 heads of 4 with a head of zeros for each token, and gives the positions back."""
    sketch = Sketch()
    sketch.input("ids", 2, 5, axes={0: "batch", 1: "sequence"})
    sketch.input("attention_mask", 2, 7, axes={0: "batch", 1: "past + sequence"})
    places = sketch.input("places", 2, 5, axes={0: "batch", 1: "sequence"})
    past = sketch.input("past", 2, 3, 2, 4, axes={0: "batch", 2: "past"})
    made = sketch.program(past, places)
    return replace(made, caches=(CachePair("past", made.outputs[0]),), positions="places")


def ids(rows: int, length: int) -> Tensor:
    return torch.zeros(rows, length)


def test_without_a_past_the_cache_is_empty(program: Program) -> None:
    found = completed(program, {"ids": ids(4, 6), "attention_mask": torch.ones(4, 6)})
    assert found["past"].shape == (4, 3, 0, 4)
    assert found["past"].dtype == program.example["past"].dtype


def test_positions_count_what_the_mask_lets_through(program: Program) -> None:
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    found = completed(program, {"ids": ids(2, 3), "attention_mask": mask, "past": torch.zeros(2, 3, 2, 4)})
    assert found["places"].tolist() == [[2, 3, 4], [0, 1, 2]]


def test_without_a_mask_positions_go_on_from_the_past(program: Program) -> None:
    assert completed(program, {"ids": ids(2, 3)})["places"].tolist() == [[0, 1, 2]] * 2
    assert completed(program, {"ids": ids(1, 2), "past": torch.zeros(1, 3, 9, 4)})["places"].tolist() == [[9, 10]]


def test_what_is_given_stays(program: Program) -> None:
    given = dict(program.example)
    assert completed(program, given) is given


def test_caches_and_positions_need_not_be_given(program: Program) -> None:
    assert [item.name for item in program.asked] == ["ids", "attention_mask"]


def test_outputs_become_the_caches_of_the_next_step(program: Program) -> None:
    outputs = program(program.example)
    assert handed_on(program, outputs) == {"past": outputs[program.outputs[0]]}
    assert handed_on(program, {}) == {}
