"""Documents are cut without loss and split without overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.calibration.passages import paragraphs, split, stretches

TEXT = st.text(alphabet="ab \n", max_size=300)


@given(text=TEXT, size=st.integers(1, 50))
def test_stretches_join_to_the_text_again(text: str, size: int) -> None:
    assert "".join(stretches(text, size)).split() == text.split()


@given(text=TEXT, size=st.integers(1, 50))
def test_no_piece_is_longer_than_asked(text: str, size: int) -> None:
    assert all(len(piece) <= size for piece in [*stretches(text, size), *paragraphs(text, size)])


def test_paragraphs_are_between_blank_lines() -> None:
    assert paragraphs("one\ntwo\n \nthree\n", 100) == ["one\ntwo", "three"]


def test_without_blank_lines_a_line_is_a_paragraph() -> None:
    assert paragraphs("one\ntwo\n", 100) == ["one", "two"]


def test_pieces_are_cut_between_words() -> None:
    assert stretches("alpha beta gamma", 11) == ["alpha beta", " gamma"]


def lines(document: str) -> list[str]:
    return document.split("\n")


@given(
    documents=st.lists(st.lists(st.text("abc", min_size=1), min_size=1).map("\n".join), max_size=12),
    seed=st.integers(0, 5),
)
def test_parts_share_nothing_and_lose_nothing(documents: list[str], seed: int) -> None:
    parts = split(documents, (2, 1, 1), lines, seed)
    found = [passage for part in parts for passage in part]
    assert sorted(found) == sorted({line for document in documents for line in lines(document)})


def test_documents_stay_whole_where_there_are_enough() -> None:
    documents = ["\n".join(f"{number}-{line}" for line in range(10)) for number in range(20)]
    parts = split(documents, (2, 1, 1), lines, 0)
    owners = [{passage.split("-")[0] for passage in part} for part in parts]
    assert not owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]
    assert [len(part) for part in parts] == [100, 50, 50]


@pytest.mark.parametrize("count", [1, 2])
def test_few_documents_are_split_into_consecutive_stretches(count: int) -> None:
    documents = ["\n".join(f"{number}{line:02d}" for line in range(40 // count)) for number in range(count)]
    parts = split(documents, (2, 1, 1), lines, 0)
    assert [len(part) for part in parts] == [20, 10, 10]
    assert [passage for part in parts for passage in part] == [line for text in documents for line in lines(text)]


def test_a_giant_among_dwarfs_is_split() -> None:
    giant = "\n".join(f"line {number}" for number in range(100))
    parts = split([giant, "a", "b", "c"], (2, 1, 1), lines, 0)
    assert min(len(part) for part in parts) > 20


def test_every_part_gets_something_where_it_can() -> None:
    assert all(split(["a\nb\n" + "c" * 1000], (2, 1, 1), lines, 0))
