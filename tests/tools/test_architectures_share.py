"""The share of cases in which every kind of part is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.zoo.judge import Judgement
from tests.zoo.trial import Trial
from tools.architectures_page import page
from tools.architectures_share import absent, share_of

WHOLE = Judgement("a", families={"kv_group": 1, "channel": 1}, sublayers={"block": 1},
                  places=["attention: q.weight", "ffn: up.weight"], trials=[Trial("mixed 0", 2e-7, 0.5)])  # fmt: skip


def names(cases: tuple[Judgement, ...]) -> list[str]:
    return [item.case for item in cases]


def test_cases_that_lack_a_block_are_left_out() -> None:
    state_space = replace(WHOLE, case="b", places=["ffn: up.weight"])
    share = share_of([WHOLE, state_space])
    assert (names(share.both), names(share.neither)) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"families": {"neuron": 2}}, "no heads"),
        ({"families": {"head": 2, "vo_dim": 1}}, "no neurons"),
        ({"families": {}, "sublayers": {}}, "no heads, no neurons, no sublayers"),
    ],
)
def test_a_case_without_a_kind_is_a_miss(changes: dict[str, dict[str, int]], told: str) -> None:
    missed = replace(WHOLE, case="b", **changes)  # type: ignore[arg-type]
    share = share_of([WHOLE, missed])
    assert (names(share.by_kind), names(share.misses), absent(missed)) == (["a"], ["b"], told)


def test_a_case_that_breaks_the_golden_rule_is_a_miss() -> None:
    broken = replace(WHOLE, case="b", trials=[Trial("mixed 0", 0.5, 0.5)])
    assert names(share_of([WHOLE, broken]).misses) == ["b"]


def test_a_place_without_units_or_sublayer_counts_by_kind_but_not_everywhere() -> None:
    places = WHOLE.places[:1]
    some = [replace(WHOLE, case="b", without_units=places), replace(WHOLE, case="c", without_sublayer=places)]
    share = share_of([WHOLE, *some])
    assert (len(share.by_kind), names(share.everywhere)) == (3, ["a"])


def test_the_page_tells_the_share_and_the_reason_of_each_miss() -> None:
    place, why = "attention: q.weight", "q: softmax (aten.softmax.int) sums over all of them"
    missed = replace(WHOLE, case="b", families={"neuron": 1}, without_units=[place], reasons={place: why})
    text = page([WHOLE, missed])
    assert "in 1 of 2 (50.0%), heads or KV groups" in text
    assert "| b | no heads; 1 of 1 attentions without units (q); q: softmax (aten.softmax.int) sums over all" in text
    assert "| softmax (aten.softmax.int) sums over all of them | 1 | b |" in text


def test_a_page_without_misses_says_so() -> None:
    assert "No case is missed." in page([WHOLE])
