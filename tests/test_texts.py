"""Calibration texts are asked for by path, or by name and path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.errors import InputError
from prunec.options import Budget, Options, command_text
from prunec.texts import Texts, as_texts, read_words, spelled_texts

NAMES = st.from_regex(r"[A-Za-z0-9-]{1,8}", fullmatch=True)
PATHS = st.from_regex(r"[a-z ./=]{1,12}\.txt", fullmatch=True)


def test_one_path_needs_no_name() -> None:
    assert read_words(["texts.jsonl"]) == Path("texts.jsonl")


def test_no_words_ask_for_nothing() -> None:
    assert read_words([]) is None


def test_a_name_stands_before_its_path() -> None:
    assert read_words(["code=src=1.txt", "prose-2=b.txt"]) == {"code": Path("src=1.txt"), "prose-2": Path("b.txt")}
    assert read_words(["code=a.txt"]) == {"code": Path("a.txt")}


def test_a_path_that_exists_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("code=a.txt").touch()
    assert read_words(["code=a.txt"]) == Path("code=a.txt")


def test_a_folder_with_a_sign_in_it_is_no_name() -> None:
    assert read_words(["./code=1/a.txt"]) == Path("code=1/a.txt")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a=x.txt", "a=y.txt"], "two texts are called a"),
        (["a=x.txt", "y.txt"], r"of 2 texts y\.txt has no name"),
        (["x.txt", "y.txt"], r"of 2 texts x\.txt has no name"),
        (["a="], "the text a has no path"),
        (["=x.txt"], "'=x.txt' is no text"),
        ([""], "'' is no text"),
        (["my_text=x.txt"], "'my_text' cannot be the name"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_words(words)


def test_python_gives_a_path_or_paths_by_name() -> None:
    assert as_texts("a.txt") == Path("a.txt")
    assert as_texts({"a": "x.txt", "b": Path("y.txt")}) == {"a": Path("x.txt"), "b": Path("y.txt")}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "{} names no text"),
        (["a.txt", "b.txt"], "names no text"),
        ({"a b": "x.txt"}, "'a b' cannot be the name"),
        ({"a": ""}, "the text a has no path"),
    ],
)
def test_what_python_gives_is_checked(texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_texts(texts)


@given(texts=PATHS.map(Path) | st.dictionaries(NAMES, PATHS.map(Path), min_size=1, max_size=4))
def test_words_are_read_back(texts: Texts) -> None:
    # A path without a name that holds a sign is read as one where it exists alone.
    if isinstance(texts, dict) or "=" not in str(texts):
        assert read_words(spelled_texts(texts)) == texts


def test_the_command_text_and_the_settings_name_every_text() -> None:
    options = Options(Budget("speedup", 2.0), calibration={"a": Path("x y.txt"), "b": Path("z.txt")})
    assert command_text("m", None, options).endswith("--calibration 'a=x y.txt' --calibration b=z.txt")
    assert options.settings()["calibration"] == {"a": "x y.txt", "b": "z.txt"}
