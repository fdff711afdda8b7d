"""Dataclass trees survive JSON, and what does not fit is named by its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.report.codec import decode, encode


@dataclass(frozen=True)
class Leaf:
    name: str
    value: float
    count: int = 0
    flag: bool = False
    derived: ClassVar[tuple[str, ...]] = ("double",)

    @property
    def double(self) -> float:
        return 2 * self.value


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    first: Leaf | None
    table: Mapping[str, object]


values = st.floats(allow_nan=False)
leaves = st.builds(Leaf, name=st.text(), value=values, count=st.integers(), flag=st.booleans())
plain = st.none() | st.booleans() | st.integers() | st.text()
trees = st.builds(
    Tree,
    leaves=st.lists(leaves, max_size=3).map(tuple),
    first=st.none() | leaves,
    table=st.dictionaries(st.text(), plain, max_size=3),
)


@given(trees)
def test_every_tree_survives_the_round_trip(tree: Tree) -> None:
    assert decode(Tree, encode(tree)) == tree


def test_a_list_of_numbers_is_one_line_and_text_is_left_alone() -> None:
    text = encode({"numbers": [1, -2.5, 1e300], "none": [], "texts": ["[\n  1,\n  2\n]", "3"]})
    assert '"numbers": [1, -2.5, 1e+300],\n' in text
    assert json.loads(text) == {"numbers": [1, -2.5, 1e300], "none": [], "texts": ["[\n  1,\n  2\n]", "3"]}


def test_what_json_lacks_stays_valid_json() -> None:
    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is not JSON")

    text = encode(Leaf("x", float("nan")))
    assert json.loads(text, parse_constant=refuse)["value"] == "nan"
    assert decode(Leaf, text).value != decode(Leaf, text).value


def test_derived_values_are_written_for_readers() -> None:
    assert json.loads(encode(Leaf("x", 2.0)))["double"] == 4.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"leaves": [], "first": null}', "Tree lacks table"),
        ('{"leaves": 3, "first": null, "table": {}}', "Tree.leaves is int, not list"),
        ('{"leaves": [{"name": 1}], "first": null, "table": {}}', r"Tree.leaves\[0\] lacks value"),
        ("[]", "Tree is list, not dict"),
        ("{", "Expecting property name"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(Tree, text)


@dataclass(frozen=True)
class Newer:
    name: str
    added: int | None = None


def test_what_a_later_version_added_takes_its_usual_value() -> None:
    assert decode(Newer, '{"name": "x"}') == Newer("x")


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(ValueError, match=r"Leaf\.count is bool, not int"):
        decode(Leaf, '{"name": "x", "value": 1, "count": true, "flag": false}')


def test_what_is_not_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="set is not plain data"):
        encode(Tree((), None, {"x": {1}}))
