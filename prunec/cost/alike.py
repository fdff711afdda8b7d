"""The choice under a budget where all layers keep the same: one size for all families of a kind, and blocks that go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from prunec.cost.allocation import damage_curve, lowest
from prunec.facts import CostModel, Damage, Plan, Scores, Structure, blocks

GRID = 20_000
"""Combinations of sizes that are looked at, at most."""


class Kind(NamedTuple):
    """Families of one kind with equally many units, which keep equally many."""

    kind: str
    units: int


@dataclass(frozen=True)
class Choice:
    """One size for each kind, and the sublayers of each block that goes."""

    sizes: Mapping[Kind, int]
    blocks: tuple[tuple[str, ...], ...]

    @property
    def key(self) -> object:
        """The same for equal choices."""
        return tuple(self.sizes.items()), self.blocks


@dataclass(frozen=True)
class Alike:
    """All such choices.

    Attributes:
        structure, scores, costs: what they are of.
        families: by kind, the families; of those alone that may shrink: all have a price and scores.
        options: by kind, the sizes that it may have, ascending.
        curves: by family, damage by units kept.
        drops: by block that may go, the damage of that.
    """

    structure: Structure
    scores: Scores
    costs: CostModel
    families: Mapping[Kind, tuple[str, ...]]
    options: Mapping[Kind, tuple[int, ...]]
    curves: Mapping[str, np.ndarray]
    drops: Mapping[tuple[str, ...], float]

    @staticmethod
    def of(structure: Structure, scores: Scores, damage: Damage, costs: CostModel, sizes: int) -> Alike:
        """What can be chosen; of a large family `sizes` sizes, of a small one each."""
        members: dict[Kind, list[str]] = {}
        fixed: set[Kind] = set()
        least: dict[Kind, int] = {}
        for family in structure.families:
            kind = Kind(family.kind, family.units)
            members.setdefault(kind, []).append(family.name)
            least[kind] = max(least.get(kind, 1), family.least)
            if family.name not in costs.families or family.name not in scores.units:
                fixed.add(kind)
        families = {kind: tuple(names) for kind, names in members.items() if kind not in fixed}
        most = max(2, min(sizes, int(GRID ** (1 / max(1, len(families))))))
        options = {kind: _sizes(kind.units, least[kind], most) for kind in families}
        curves = {
            name: damage_curve(structure, structure.family(name), scores, damage)[::-1]
            for names in families.values()
            for name in names
        }
        return Alike(structure, scores, costs, families, options, curves, _drops(structure, damage, costs))

    @property
    def whole(self) -> Choice:
        """Nothing goes."""
        return Choice({kind: kind.units for kind in self.families}, ())

    def within(self, room: float) -> Iterator[Choice]:
        """The choices that cost `room` at most, least summed damage first; of equal sizes, the fewest blocks alone."""
        found = [item for sizes in product(*self.options.values()) if (item := self._with(sizes, room)) is not None]
        for _, _, choice in sorted(found, key=lambda item: item[:2]):
            yield choice

    def plan(self, choice: Choice, search: str) -> Plan:
        """The plan of `choice`, with its predicted cost and damage."""
        sublayers = tuple(name for block in choice.blocks for name in block)
        gone = self.structure.gone_with(sublayers)
        units, damage = dict[str, tuple[int, ...]](), sum(self.drops[block] for block in choice.blocks)
        for kind, kept in choice.sizes.items():
            for name in self.families[kind]:
                if name not in gone:
                    damage += float(self.curves[name][kept])
                    units[name] = lowest(self.scores, name, kind.units - kept)
        plan = Plan({name: own for name, own in units.items() if own}, sublayers, None, damage, search)
        return replace(plan, predicted_cost=self.costs.predict(self.structure, plan))

    def without(self, block: tuple[str, ...]) -> Alike:
        """The same, but `block` stays."""
        return replace(self, drops={name: drop for name, drop in self.drops.items() if name != block})

    def _with(self, sizes: tuple[int, ...], room: float) -> tuple[float, int, Choice] | None:
        """The choice of these sizes within `room`: as few blocks go as must, those that lose least."""
        kept = dict(zip(self.options, sizes, strict=True))
        size = {name: count for kind, count in kept.items() for name in self.families[kind]}
        damages = {name: float(self.curves[name][count]) for name, count in size.items()}
        prices = {name: table[size.get(name, -1)] for name, table in self._prices.items()}
        damage, cost = sum(damages.values()), self.costs.constant + sum(prices.values())
        nets = {
            block: drop - sum(damages.get(name, 0.0) for name in self._inside[block])
            for block, drop in self.drops.items()
        }
        going: list[tuple[str, ...]] = []
        for block in sorted(nets, key=nets.__getitem__)[:-1]:  # a model without any is none
            if cost <= room and nets[block] >= 0:
                break
            going.append(block)
            damage, cost = damage + nets[block], cost - sum(prices[name] for name in self._inside[block])
        if cost > room:
            return None
        order = tuple(block for block in self.drops if block in going)
        return damage, len(going), Choice(kept, order)

    @cached_property
    def _prices(self) -> Mapping[str, Mapping[int, float]]:
        """What each family costs in all sublayers that hold it, by the units that it may keep; whole it is under -1."""
        prices = {}
        for name in self.costs.families:
            family, times = self.structure.family(name), max(1, len(self.structure.sublayers_of(name)))
            sizes = self.options.get(Kind(family.kind, family.units), ())
            table = {kept: times * self.costs.family(name, kept) for kept in (*sizes, family.units)}
            prices[name] = {**table, -1: table[family.units]}
        return prices

    @cached_property
    def _inside(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """By block, the families that go with it."""
        return {block: tuple(sorted(self.structure.gone_with(block))) for block in self.drops}


def _sizes(units: int, least: int, most: int) -> tuple[int, ...]:
    step = max(1, units // most)
    return tuple(sorted({*range(max(step, least), units, step), units}))


def _drops(structure: Structure, damage: Damage, costs: CostModel) -> dict[tuple[str, ...], float]:
    """The blocks that may go, with the damage of each."""
    found = {}
    for block in blocks(structure):
        names = tuple(item.name for item in block)
        held = {name for item in block for name in item.families}
        alone = held and held == structure.gone_with(names)
        if alone and held <= costs.families.keys() and all(name in damage.sublayers for name in names):
            found[names] = sum(damage.sublayers[name] for name in names)
    return found
