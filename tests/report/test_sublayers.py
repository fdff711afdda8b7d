"""Scores of sublayers are printed in the order of the model, with their ranks."""

from __future__ import annotations

import io

from rich.console import Console

from prunec.facts import Scores
from prunec.report.sublayers import print_sublayers


def printed(scores: Scores) -> list[list[str]]:
    page = io.StringIO()
    print_sublayers(scores, Console(file=page))
    return [line.split() for line in page.getvalue().splitlines()]


def test_a_line_is_printed_for_each() -> None:
    lines = printed(Scores("block-influence", "", {}, {"a.mlp": 0.25, "b.mlp": 0.125}))
    assert lines == [["sublayer", "score", "rank"], ["a.mlp", "0.25", "2"], ["b.mlp", "0.125", "1"]]


def test_what_a_re_fit_undoes_has_a_column_of_its_own() -> None:
    lines = printed(Scores("tunability", "", {}, {"a.mlp": 0.25}, undone={"a.mlp": 0.5}))
    assert lines == [["sublayer", "score", "rank", "undone"], ["a.mlp", "0.25", "1", "50%"]]
