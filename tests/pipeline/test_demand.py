"""Analyses on demand: which run before a pass, and what is said where none can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from prunec.errors import PassError
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.pipeline.demand import Givers, check_needs, demanded


class Width:
    """A fact."""


class Cost:
    """A fact."""


class DenseCost(Cost):
    """A fact about the program as it came."""


@dataclass(frozen=True)
class Idle(Pass):
    """Does nothing; the subclasses below declare needs and gifts."""

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program)


@dataclass(frozen=True)
class Measure(Idle):
    name: ClassVar[str] = "measure"
    gives: ClassVar[tuple[type, ...]] = (Width,)


@dataclass(frozen=True)
class Price(Idle):
    name: ClassVar[str] = "price"
    needs: ClassVar[tuple[type, ...]] = (Width,)
    gives: ClassVar[tuple[type, ...]] = (Cost,)


@dataclass(frozen=True)
class Choose(Idle):
    name: ClassVar[str] = "choose"
    gives: ClassVar[tuple[type, ...]] = (Cost,)
    budget: float


@dataclass(frozen=True)
class Spend(Idle):
    name: ClassVar[str] = "spend"
    needs: ClassVar[tuple[type, ...]] = (Cost,)


@dataclass(frozen=True)
class Drop(Idle):
    name: ClassVar[str] = "drop"
    rewrites: ClassVar[bool] = True
    gives: ClassVar[tuple[type, ...]] = (Width,)


def installed(*kinds: type[Pass]) -> Givers:
    return lambda fact: [kind for kind in kinds if fact in kind.gives]


def test_nothing_runs_where_the_needs_are_there() -> None:
    assert demanded(Spend(), {Cost}, installed(Measure, Price)) == []


def test_what_is_needed_runs_in_the_order_of_needs() -> None:
    assert demanded(Spend(), set(), installed(Measure, Price)) == [Measure(), Price()]


def test_an_analysis_runs_once_for_two_needs() -> None:
    class Both(Spend):
        needs: ClassVar[tuple[type, ...]] = (Cost, Width)

    assert demanded(Both(), set(), installed(Measure, Price)) == [Measure(), Price()]


def test_a_rewrite_never_runs_on_demand() -> None:
    assert demanded(Price(), set(), installed(Drop, Measure)) == [Measure()]
    with pytest.raises(PassError, match="put `drop` before it"):
        demanded(Price(), set(), installed(Drop))


def test_where_nothing_gives_it_that_is_said() -> None:
    with pytest.raises(PassError, match=r"pass `price` needs Width, .*no installed pass gives it"):
        demanded(Price(), set(), installed())


def test_where_several_give_it_they_are_named() -> None:
    class Appraise(Price):
        name: ClassVar[str] = "appraise"

    with pytest.raises(PassError, match="put one of `appraise`, `choose`, `price` before it"):
        demanded(Spend(), set(), installed(Measure, Price, Choose, Appraise))


def test_one_that_lacks_an_option_leaves_it_to_the_other() -> None:
    assert demanded(Spend(), set(), installed(Measure, Price, Choose)) == [Measure(), Price()]


def test_options_without_default_are_named() -> None:
    with pytest.raises(PassError, match=r"put `choose\{budget=...\}` before it"):
        demanded(Spend(), set(), installed(Choose))


def test_analyses_that_need_each_other_are_an_error() -> None:
    class Chicken(Measure):
        name: ClassVar[str] = "chicken"
        needs: ClassVar[tuple[type, ...]] = (Cost,)

    with pytest.raises(PassError, match="pass `chicken` needs Cost"):
        demanded(Spend(), set(), installed(Chicken, Price))


def test_a_whole_pipeline_is_checked_with_what_its_passes_give() -> None:
    check_needs([Measure(), Price(), Spend()], set(), installed())
    with pytest.raises(PassError, match="pass `price` needs Width"):
        check_needs([Price(), Measure()], set(), installed())


def test_facts_that_a_rewrite_drops_are_not_counted_on() -> None:
    with pytest.raises(PassError, match="pass `spend` needs Cost"):
        check_needs([Drop(), Spend()], {Cost}, installed())


def test_facts_of_a_kept_base_class_are_counted_on() -> None:
    class Keep(Drop):
        keeps: ClassVar[tuple[type, ...]] = (Cost,)

    class SpendDense(Spend):
        needs: ClassVar[tuple[type, ...]] = (DenseCost,)

    check_needs([Keep(), SpendDense()], {DenseCost}, installed())
