"""A search's steps are kept for the next one like it, and for no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from prunec.calibration.journal import Journal
from prunec.facts import Step
from prunec.passbase import Context, Silent

STEPS = (Step(("a", "b"), 0.1 + 0.2), Step(("c",), -1e-9))


class Told(Silent):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def context(tmp_path: Path, told: Told) -> Context:
    return Context(tmp_path, tmp_path / "cache", progress=told)


def test_the_next_search_like_it_finds_steps_and_weights(context: Context) -> None:
    weight = torch.randn(3, 2).T
    Journal(context, {"search": "x"}).write(STEPS, {"w": weight})
    found = Journal(context, {"search": "x"})
    assert found.steps == STEPS
    assert torch.equal(found.weights["w"], weight)


def test_another_search_finds_nothing(context: Context) -> None:
    Journal(context, {"search": "x"}).write(STEPS)
    assert not Journal(context, {"search": "y"}).steps


def test_another_version_of_prunec_finds_nothing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal(context, {"search": "x"}).write(STEPS)
    monkeypatch.setattr("prunec.__version__", "99.0")
    assert not Journal(context, {"search": "x"}).steps


def test_shares_that_came_out_a_little_different_are_the_same_search(context: Context) -> None:
    Journal(context, {"search": "x"}, {"a": 0.4, "b": 0.6}).write(STEPS)
    found = Journal(context, {"search": "x"}, {"a": 0.45, "b": 0.55})
    assert found.steps == STEPS


def test_shares_are_held_against_those_of_the_first_step(context: Context) -> None:
    Journal(context, {"search": "x"}, {"a": 0.4}).write(STEPS[:1])
    again = Journal(context, {"search": "x"}, {"a": 0.5})
    again.write(STEPS)
    assert not Journal(context, {"search": "x"}, {"a": 0.6}).steps


@pytest.mark.parametrize("shares", [{"a": 0.2, "b": 0.8}, {"a": 0.4}, {}])
def test_other_shares_begin_anew_in_the_same_file(shares: dict[str, float], context: Context, told: Told) -> None:
    Journal(context, {"search": "x"}, {"a": 0.4, "b": 0.6}).write(STEPS, {"w": torch.ones(2)})
    again = Journal(context, {"search": "x"}, shares)
    assert not again.steps
    assert not again.weights
    (note,) = told.notes
    assert "the search begins anew" in note
    again.write(STEPS[:1])
    assert Journal(context, {"search": "x"}, shares).steps == STEPS[:1]
    assert len(list(again.path.parent.iterdir())) == 1


def test_searches_that_nobody_went_on_with_are_cleared(context: Context) -> None:
    old, read, own = (Journal(context, {"search": name}) for name in ("old", "read", "own"))
    for journal in (old, read):
        journal.write(STEPS)
        os.utime(journal.path, (0, 0))
    Journal(context, {"search": "read"})
    own.write(STEPS)
    assert {path.name for path in own.path.parent.iterdir()} == {read.path.name, own.path.name}


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_file_is_no_reason_to_fail(content: bytes | None, context: Context, told: Told) -> None:
    journal = Journal(context, {"search": "x"})
    journal.write(STEPS)
    journal.path.write_bytes(journal.path.read_bytes()[:-3].replace(b"steps", b"stops") if content is None else content)
    again = Journal(context, {"search": "x"})
    assert not again.steps
    (note,) = told.notes
    assert "the search begins anew" in note
    again.write(STEPS)
    assert Journal(context, {"search": "x"}).steps == STEPS


def test_a_cache_that_cannot_be_written_is_said_and_no_reason_to_fail(context: Context, told: Told) -> None:
    context.cache.write_text("a file in the way")
    journal = Journal(context, {"search": "x"})
    journal.write(STEPS)
    assert journal.steps == STEPS
    (warning,) = told.warnings
    assert "could not be kept" in warning
