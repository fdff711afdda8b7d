"""What two plans both remove, and how much of that chance alone would give."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

from prunec.facts import Plan, Structure

SUBLAYER = "sublayer"
"""What whole sublayers are called beside the kinds of units."""

Place = tuple[str, str]
"""A kind of units and a family of them; for sublayers, `SUBLAYER` and `attention`, `ffn` or `block`."""


@dataclass(frozen=True)
class Overlap:
    """What goes of one kind by two plans; units of a dropped sublayer count as removed.

    Attributes:
        first, second: what the plans are called.
        kind: of units, or `sublayer`.
        there: how many there are.
        by_first, by_second: how many each plan removes; `both`: how many go by both.
        expected: how many would go by both, had each plan drawn as many in each place at random.
        jaccard: of what goes by either, the share that goes by both; not a number where nothing goes.
        chance: the same share where as many go by both as are expected.
    """

    first: str
    second: str
    kind: str
    there: int
    by_first: int
    by_second: int
    both: int
    expected: float
    derived: ClassVar[tuple[str, ...]] = ("jaccard", "chance")

    @property
    def jaccard(self) -> float:
        """Intersection over union."""
        return self._share(self.both)

    @property
    def chance(self) -> float:
        """Intersection over union at the expected intersection.

        The mean of the share over random draws is a little higher, for the share is convex in the intersection.
        """
        return self._share(self.expected)

    def _share(self, both: float) -> float:
        either = self.by_first + self.by_second - both
        return both / either if either else math.nan


def overlaps(structure: Structure, plans: Mapping[str, Plan]) -> tuple[Overlap, ...]:
    """The overlap of every two of `plans`, each kind of units in turn, then sublayers."""
    return tuple(
        overlap
        for (first, one), (second, other) in combinations(plans.items(), 2)
        for overlap in _overlaps(structure, first, removed(structure, one), second, removed(structure, other))
    )


def removed(structure: Structure, plan: Plan) -> dict[Place, frozenset[object]]:
    """What goes in each place: places among units in a family, names among sublayers that hold units."""
    gone = structure.gone_with(plan.sublayers)
    found: dict[Place, frozenset[object]] = {}
    for family in structure.families:
        units = range(family.units) if family.name in gone else plan.units.get(family.name, ())
        found[family.kind, family.name] = frozenset(units)
    for place, names in _droppable(structure).items():
        found[place] = frozenset(names & set(plan.sublayers))
    return found


def counts(structure: Structure, plan: Plan) -> dict[str, int]:
    """How many of each kind go."""
    found: dict[str, int] = {}
    for (kind, _), items in removed(structure, plan).items():
        found[kind] = found.get(kind, 0) + len(items)
    return found


def expected_both(there: int, one: int, other: int) -> float:
    """How many of `there` two random draws of `one` and of `other` have in common on average.

    The mean of the hypergeometric distribution.
    """
    return one * other / there


def _overlaps(
    structure: Structure,
    first: str,
    one: Mapping[Place, frozenset[object]],
    second: str,
    other: Mapping[Place, frozenset[object]],
) -> Iterator[Overlap]:
    sizes = {(family.kind, family.name): family.units for family in structure.families}
    sizes |= {place: len(names) for place, names in _droppable(structure).items()}
    for kind in dict.fromkeys(kind for kind, _ in sizes):
        places = [place for place in sizes if place[0] == kind]
        yield Overlap(
            first,
            second,
            kind,
            there=sum(sizes[place] for place in places),
            by_first=sum(len(one[place]) for place in places),
            by_second=sum(len(other[place]) for place in places),
            both=sum(len(one[place] & other[place]) for place in places),
            expected=sum(expected_both(sizes[place], len(one[place]), len(other[place])) for place in places),
        )


def _droppable(structure: Structure) -> dict[Place, set[str]]:
    """The sublayers that hold units, by kind."""
    found: dict[Place, set[str]] = defaultdict(set)
    for sublayer in structure.sublayers:
        if sublayer.families:
            found[SUBLAYER, sublayer.kind].add(sublayer.name)
    return found
