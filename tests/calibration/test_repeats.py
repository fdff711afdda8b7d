"""Texts that are the same are refused, however they lie in files; texts that share passages are named."""

from __future__ import annotations

import pytest

from prunec.calibration.repeats import require_distinct
from prunec.calibration.textsource import Text
from prunec.errors import InputError

LONG = [f"Paragraph {number} of a text that is long enough to be told from others." for number in range(6)]


def text(*documents: str) -> Text:
    return Text(documents, "")


@pytest.mark.parametrize(
    "other",
    [
        text(*LONG),
        text(*reversed(LONG)),
        text("\n\n\n".join(LONG) + "\n"),
        text("\n\n".join(part.replace(" of ", "\nof ") for part in LONG)),
    ],
)
def test_the_same_paragraphs_are_the_same_text(other: Text) -> None:
    with pytest.raises(InputError, match=r"texts a and c are the same\. give texts that differ"):
        require_distinct({"a": text("\n\n".join(LONG)), "b": text("another text"), "c": other})


def test_paragraphs_in_common_are_counted() -> None:
    (note,) = require_distinct({"a": text("\n\n".join(LONG)), "b": text(*LONG[4:], "and more"), "c": text("other")})
    assert note.startswith("2 paragraphs are in both a and b: ")


def test_headings_in_common_say_nothing() -> None:
    assert require_distinct({"a": text("Chapter I\n\n" + LONG[0]), "b": text("Chapter I\n\n" + LONG[1])}) == []
