"""Depth under a budget: which sublayers may go, together with which, and how many of them must."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prunec.errors import BudgetError
from prunec.facts.plan import Ceiling, CostModel, Plan
from prunec.facts.structure import Structure, Sublayer

Grain = Literal["blocks", "sublayers"]
"""What goes at once."""
Candidate = tuple[str, ...]
"""Names of the sublayers that go together, in the order of the program."""


@dataclass(frozen=True)
class Step:
    """One removal of a search.

    Attributes:
        sublayers: what goes.
        measured: what the search measured of it, such as the damage of all that is gone by then.
    """

    sublayers: Candidate
    measured: float


@dataclass(frozen=True)
class Depth:
    """Sublayers against a budget; families stay whole, except with all that hold them."""

    structure: Structure
    costs: CostModel
    ceiling: Ceiling

    def candidates(self, of: Grain) -> tuple[Candidate, ...]:
        """What can go and saves something, in the order of the program."""
        saving = {item.name for item in self.structure.sublayers if self._priced(item) and self.saved((), item.name)}
        groups = blocks(self.structure) if of == "blocks" else [(item,) for item in self.structure.sublayers]
        named = (tuple(item.name for item in group if item.name in saving) for group in groups)
        return tuple(names for names in named if names)

    def cost(self, gone: Iterable[str]) -> float:
        """Predicted cost without the sublayers `gone`."""
        return self.costs.predict(self.structure, Plan({}, tuple(gone)))

    def saved(self, gone: Sequence[str], name: str) -> float:
        """What bypassing sublayer `name` saves once `gone` are gone."""
        return self.cost(gone) - self.cost((*gone, name))

    def plan(
        self, search: str, candidates: Sequence[Candidate], steps: Iterable[Step]
    ) -> tuple[Plan, tuple[Step, ...]]:
        """The fewest of `steps`, from the first on, that meet the budget, as a plan without predicted damage.

        Args:
            search: name of the pass that asks.
            candidates: all that `steps` may remove.
            steps: as many as are needed are drawn.

        Raises:
            BudgetError: all candidates together do not meet the budget; nothing is drawn then.
        """
        floor = self.cost(name for names in candidates for name in names)
        if floor > self.ceiling.value:
            raise BudgetError(
                f"no choice of sublayers meets the budget of {self.ceiling.value:.4g} {self.ceiling.unit}: "
                f"without all that may go it takes {floor:.4g}",
                "ask for a larger budget, or let --search knapsack cut inside sublayers as well",
            )
        gone: set[str] = set()
        taken: list[Step] = []
        drawn = iter(steps)
        while self.cost(gone) > self.ceiling.value:
            taken.append(next(drawn))
            gone |= set(taken[-1].sublayers)
        names = tuple(item.name for item in self.structure.sublayers if item.name in gone)
        return Plan({}, names, predicted_cost=self.cost(names), search=search), tuple(taken)

    def _priced(self, sublayer: Sublayer) -> bool:
        """Whether the cost model knows what a bypass saves.

        What several sublayers share is read less often without one of them, which saves time, but it is stored as
        before.
        """
        alone = all(len(self.structure.sublayers_of(name)) == 1 for name in sublayer.families)
        known = all(name in self.costs.families for name in sublayer.families)
        return known and (alone or self.costs.unit == "ms")


def blocks(structure: Structure) -> tuple[tuple[Sublayer, ...], ...]:
    """The sublayers by blocks (decoder layers): attentions in a row and the feed-forward after them.

    A sublayer that holds both is a block alone, and so is one without its like.
    """
    found: list[tuple[Sublayer, ...]] = []
    attentions: tuple[Sublayer, ...] = ()
    for sublayer in structure.sublayers:
        if sublayer.kind == "attention":
            attentions = (*attentions, sublayer)
        elif sublayer.kind == "ffn":
            found.append((*attentions, sublayer))
            attentions = ()
        else:
            found += [(item,) for item in (*attentions, sublayer)]
            attentions = ()
    return (*found, *((item,) for item in attentions))
