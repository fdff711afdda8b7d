"""`same-shape`: every layer keeps the same widths and heads, whole blocks may go, and the config can say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.cost.alike import Alike, Choice
from prunec.cost.allocation import Allocation
from prunec.errors import BudgetError
from prunec.facts import Ceiling, CostModel, Damage, Loadable, Plan, Scores, Structure
from prunec.ir.bypass import tensors_after
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

MOST_TRIES = 50
"""Choices that may be refused, although each of their sizes is not, before the search gives up."""


@dataclass(frozen=True)
class SameShapePass(Pass):
    """Choose one size for all families of a kind and the blocks that go, so that summed damage is least in the budget.

    All sizes and numbers of blocks are gone through, the least damage first, and the first is taken that the library
    can load which the model comes from. What that costs beside `knapsack`, by predicted damage, is stated.

    Attributes:
        sizes: how many sizes of a large family are considered; a small one is considered at each.
        margin: as in `knapsack`.
    """

    name: ClassVar[str] = "same-shape"
    needs: ClassVar[tuple[type, ...]] = (Structure, Scores, Damage, CostModel, Ceiling)
    reads: ClassVar[tuple[type, ...]] = (Loadable,)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    sizes: int = 128
    margin: float = 0.01

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: no such plan is within the budget, or none that can be loaded.
        """
        structure, scores, costs = facts[Structure], facts[Scores], facts[CostModel]
        damage, ceiling, loadable = facts[Damage], facts[Ceiling], facts.get(Loadable)
        alike = Alike.of(structure, scores, damage, costs, self.sizes)
        loader = _Loader(program, structure, loadable) if loadable is not None else None
        context.progress.item("choosing sizes that a config can say", 0, 0)
        plan = self._chosen(alike, ceiling, loader)
        free = Allocation.of(structure, scores, damage, costs, self.sizes).plan(ceiling, self.margin)
        assert plan.predicted_damage is not None
        assert free.predicted_damage is not None
        # The integer program stops within a hair of the least damage.
        plan = replace(plan, free_damage=min(free.predicted_damage, plan.predicted_damage))
        log = f"{len(plan.sublayers)} sublayers and {sum(map(len, plan.units.values()))} units go: "
        log += f"{plan.predicted_cost:.4g} {costs.unit}, damage {plan.predicted_damage:.4g} where layers that may "
        log += f"differ take {plan.free_damage:.4g}"
        log += f"; not all can be loaded: {loader.why}" if loader and loader.why else ""
        return PassResult(program, (plan,), log)

    def _chosen(self, alike: Alike, ceiling: Ceiling, loader: _Loader | None) -> Plan:
        rooms = [ceiling.value] if ceiling.unit != "ms" else [(1 - self.margin) * ceiling.value, ceiling.value]
        for room in rooms:
            if (plan := self._first(alike, room, loader)) is not None:
                return plan
        why = f": {loader.why}" if loader and loader.why else ""
        raise BudgetError(
            f"no choice of one size for all layers meets the budget of {ceiling.value:.4g} {ceiling.unit}{why}",
            "ask for a larger budget, or leave --uniform out",
        )

    def _first(self, alike: Alike, room: float, loader: _Loader | None) -> Plan | None:
        """The plan of least damage in `room` that can be loaded."""
        for choice in alike.within(room):
            plan = alike.plan(choice, self.name)
            if loader is None:
                return plan
            if (block := loader.firm(choice, alike)) is not None:
                return self._first(alike.without(block), room, loader)
            if loader.takes(choice, plan, alike):
                return plan
        return None


class _Loader:
    """Which choices can be loaded; each size and each block is asked for alone first, and once.

    Attributes:
        why: the first reason why one cannot; empty so far.
    """

    def __init__(self, program: Program, structure: Structure, loadable: Loadable) -> None:
        self._program, self._structure, self._loadable = program, structure, loadable
        self._known: dict[object, str] = {}
        self._tries, self.why = 0, ""

    def firm(self, choice: Choice, alike: Alike) -> tuple[str, ...] | None:
        """A block of `choice` that cannot go, if there is one."""
        sizes = alike.whole.sizes
        return next((item for item in choice.blocks if self._asked(item, alike.plan(Choice(sizes, (item,)), ""))), None)

    def takes(self, choice: Choice, plan: Plan, alike: Alike) -> bool:
        """Whether `choice` can be loaded.

        Raises:
            BudgetError: too many choices could not, although each of their sizes could.
        """
        sizes = alike.whole.sizes
        for kind, kept in choice.sizes.items():
            alone = Choice({**sizes, kind: kept}, ())
            if kept < kind.units and self._asked((kind, kept), alike.plan(alone, "")):
                return False
        if not self._asked(choice.key, plan):
            return True
        self._tries += 1
        if self._tries > MOST_TRIES:
            raise BudgetError(f"no choice of one size for all layers was found: {self.why}", "leave --uniform out")
        return False

    def _asked(self, key: object, plan: Plan) -> str:
        """Why `plan`, known as `key`, cannot be loaded; empty where it can."""
        if key not in self._known:
            self._known[key] = self._loadable.refusal(self._shapes(plan))
            self.why = self.why or self._known[key]
        return self._known[key]

    def _shapes(self, plan: Plan) -> dict[str, tuple[int, ...]]:
        """Of the tensors that are left after `plan`."""
        gone = [(item.add, item.skip) for item in self._structure.sublayers if item.name in plan.sublayers]
        left = tensors_after(self._program, gone)
        shapes = {name: list(tensor.shape) for name, tensor in self._program.tensors().items() if name in left}
        for (name, dim), indices in plan.cuts(self._structure).items():
            if name in shapes:
                shapes[name][dim] -= len(indices)
        return {name: tuple(shape) for name, shape in shapes.items()}
