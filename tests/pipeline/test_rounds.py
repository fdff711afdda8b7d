"""Going back and skipping: passes that ask for another round, or for a later pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from prunec.errors import PassError
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.pipeline import run_pipeline


@dataclass(frozen=True)
class Cost:
    """A fact: what is believed to be so many milliseconds."""

    value: float


@dataclass(frozen=True)
class Width:
    """A fact about the program as it came."""


@dataclass(frozen=True)
class Price(Pass):
    """Gives a `Cost`, if there is none yet."""

    name: ClassVar[str] = "price"
    gives: ClassVar[tuple[type, ...]] = (Cost, Width)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program, (Width(), facts.get(Cost) or Cost(3.0)))


@dataclass(frozen=True)
class Look(Pass):
    """Logs what it sees."""

    name: ClassVar[str] = "look"
    reads: ClassVar[tuple[type, ...]] = (Cost, Width)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program, log=f"{program.outputs[0]} {facts.get(Cost)} {facts.get(Width)}")


@dataclass(frozen=True)
class Rename(Pass):
    """Gives the output another name; keeps costs alone."""

    name: ClassVar[str] = "rename"
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (Cost,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(replace(program, outputs=("renamed",)))


@dataclass(frozen=True)
class Again(Pass):
    """Is never content: corrects the cost and goes back."""

    name: ClassVar[str] = "again"
    needs: ClassVar[tuple[type, ...]] = (Cost,)
    gives: ClassVar[tuple[type, ...]] = (Cost,)
    place: str = "look"

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program, (Cost(facts[Cost].value + 10),), again_from=self.place)


@dataclass(frozen=True)
class Skip(Pass):
    """Goes on from a later pass."""

    name: ClassVar[str] = "skip"
    place: str = "look"

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program, skip_to=self.place)


def run(program: Program, context: Context, *passes: Pass, max_rounds: int = 3) -> list[tuple[str, int, str]]:
    result = run_pipeline(program, passes, context, max_rounds=max_rounds)
    return [(stage.name, stage.round, stage.log) for stage in result.stages]


def test_a_pipeline_runs_again_until_the_rounds_are_used_up(program: Program, context: Context) -> None:
    stages = run(program, context, Price(), Look(), Again(), Skip(), Look(), max_rounds=3)
    assert [(name, number) for name, number, _ in stages] == [
        ("price", 1),
        *((name, number) for number in (1, 2, 3) for name in ("look", "again")),
        ("skip", 3),
        ("look", 3),
    ]


def test_another_round_starts_from_what_was_there_with_the_correction(program: Program, context: Context) -> None:
    stages = run(program, context, Price(), Look(), Rename(), Again())
    assert [log for name, _, log in stages if name == "look"] == [
        "y Cost(value=3.0) Width()",
        "y Cost(value=13.0) Width()",
        "y Cost(value=23.0) Width()",
    ]


def test_the_last_round_is_what_comes_out(program: Program, context: Context) -> None:
    result = run_pipeline(program, [Price(), Look(), Rename(), Again()], context, max_rounds=3)
    assert result.program.outputs == ("renamed",)
    assert result.facts[Cost] == Cost(33.0)
    assert Width not in result.facts


def test_the_nearest_earlier_pass_of_the_name_is_meant(program: Program, context: Context) -> None:
    stages = run(program, context, Look(), Price(), Look(), Again(), Look(), max_rounds=2)
    assert [name for name, _, _ in stages] == ["look", "price", "look", "again", "look", "again", "look"]


def test_passes_may_be_skipped(program: Program, context: Context) -> None:
    assert [name for name, _, _ in run(program, context, Skip(), Price(), Rename(), Look())] == ["skip", "look"]


def test_skipping_to_a_pass_that_does_not_follow_ends_the_pipeline(program: Program, context: Context) -> None:
    assert [name for name, _, _ in run(program, context, Price(), Skip("price"), Look())] == ["price", "skip"]


def test_going_back_to_a_pass_that_was_not_there_is_an_error(program: Program, context: Context) -> None:
    with pytest.raises(PassError, match=r"pass `again` wants to go on from `skip`\. put `skip` before it"):
        run(program, context, Price(), Again("skip"), Look())
