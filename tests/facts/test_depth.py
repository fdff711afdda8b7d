"""Which sublayers go together, which can go at all, and how many go under a budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Depth, Family, Site, Step, Structure, Sublayer, blocks


def family(name: str) -> Family:
    return Family(name, "neuron", 2, (), (Site("", 0, "", 0, np.arange(2)),))


def structure(kinds: str, shared: bool = False) -> Structure:
    """Sublayers by the first letters of their kinds, each with a family, or one that all share."""
    names = {"a": "attention", "f": "ffn", "b": "block"}
    held = ["f0" if shared else f"f{place}" for place in range(len(kinds))]
    sublayers = [
        Sublayer(f"{kind}{place}", names[kind], "", "", "", (name,))
        for place, (kind, name) in enumerate(zip(kinds, held, strict=True))
    ]
    return Structure(tuple(map(family, dict.fromkeys(held))), tuple(sublayers))


def depth(found: Structure, ceiling: float = 0.0, unit: str = "ms", without: str = "") -> Depth:
    """Two for each sublayer whose family is not `without`, and one besides."""
    tables = {item.name: ((2, 2.0),) for item in found.families if item.name != without}
    return Depth(found, CostModel(unit, 1.0, tables), Ceiling(unit, ceiling))


@pytest.mark.parametrize(
    ("kinds", "groups"),
    [
        ("afaf", ["a0 f1", "a2 f3"]),
        ("afaaf", ["a0 f1", "a2 a3 f4"]),
        ("bb", ["b0", "b1"]),
        ("faf", ["f0", "a1 f2"]),
        ("afa", ["a0 f1", "a2"]),
        ("ab", ["a0", "b1"]),
        ("aa", ["a0", "a1"]),
    ],
)
def test_a_block_is_attention_and_the_feed_forward_after_it(kinds: str, groups: list[str]) -> None:
    assert [" ".join(item.name for item in block) for block in blocks(structure(kinds))] == groups


def test_what_saves_nothing_cannot_go() -> None:
    found = depth(structure("afaf"), without="f1")
    assert found.candidates("blocks") == (("a0",), ("a2", "f3"))
    assert found.candidates("sublayers") == (("a0",), ("a2",), ("f3",))


def test_what_is_shared_saves_time_and_no_parameters() -> None:
    assert len(depth(structure("ff", shared=True)).candidates("sublayers")) == 2
    assert not depth(structure("ff", shared=True), unit="parameters").candidates("sublayers")


def test_steps_are_taken_until_the_budget_holds_and_no_more() -> None:
    found = depth(structure("afaf"), ceiling=5.0)
    drawn: list[str] = []

    def steps() -> Iterator[Step]:
        for name in ("f3", "a0", "f1"):
            drawn.append(name)
            yield Step((name,), 0.0)

    plan, taken = found.plan("mine", found.candidates("sublayers"), steps())
    assert drawn == ["f3", "a0"]
    assert [step.sublayers for step in taken] == [("f3",), ("a0",)]
    assert (plan.sublayers, plan.units, plan.search) == (("a0", "f3"), {}, "mine")
    assert plan.predicted_cost == pytest.approx(5.0)


def test_a_budget_below_what_is_left_without_all_candidates_is_refused_first() -> None:
    found = depth(structure("af"), ceiling=0.9)
    with pytest.raises(BudgetError, match=r"budget of 0\.9 ms: without all that may go it takes 1"):
        found.plan("mine", found.candidates("blocks"), iter(()))


def test_a_program_within_the_budget_loses_nothing() -> None:
    found = depth(structure("af"), ceiling=5.0)
    plan, taken = found.plan("mine", found.candidates("blocks"), iter(()))
    assert plan.is_empty()
    assert not taken
    assert plan.predicted_cost == pytest.approx(5.0)
