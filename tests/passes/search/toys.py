"""Families of a few units with made-up costs, scores and damages, small enough to try every choice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import fx

from prunec.cost.allocation import damage_curve
from prunec.facts import Ceiling, CostModel, Damage, Family, Plan, Scores, Site, Structure, Sublayer
from prunec.ir.program import Program, Provenance, build_module
from prunec.passbase import Context, Facts, Pass
from prunec.passes.search.knapsack import KnapsackPass


@dataclass(frozen=True)
class Toy:
    """Families of a few units, each alone in a sublayer."""

    structure: Structure
    scores: Scores
    damage: Damage
    costs: CostModel

    def plan(self, ceiling: float, margin: float = 0.0, search: Callable[..., Pass] = KnapsackPass) -> Plan:
        """What the pass chooses."""
        facts = Facts()
        for fact in (self.structure, self.scores, self.damage, self.costs, Ceiling("ms", ceiling)):
            facts.put(fact)
        (plan,) = search(margin=margin).run(empty_program(), facts, CONTEXT).facts
        assert isinstance(plan, Plan)
        return plan

    def loss(self, plan: Plan) -> float:
        """Summed damage of a plan, by the same curves."""
        total = sum(self.damage.sublayers[name] for name in plan.sublayers)
        for family in self.structure.families:
            removed = len(plan.units.get(family.name, ()))
            total += float(damage_curve(self.structure, family, self.scores, self.damage)[removed])
        return total

    def best(self, ceiling: float) -> float:
        """The least damage by trying every choice."""
        choices = [[*range(family.units), None] for family in self.structure.families]
        feasible = []
        for choice in itertools.product(*choices):
            pairs = list(zip(self.structure.families, choice, strict=True))
            units = {f.name: tuple(range(removed)) for f, removed in pairs if removed}
            plan = Plan(units, tuple(f"block.{f.name}" for f, removed in pairs if removed is None))
            if self.costs.predict(self.structure, plan) <= ceiling:
                feasible.append(self.loss(plan))
        return min(feasible, default=float("inf"))


CONTEXT = Context(None, None)  # type: ignore[arg-type]


def empty_program() -> Program:
    graph = fx.Graph()
    graph.output((graph.placeholder("x"),))
    return Program(build_module(graph, {}), (), (), {}, Provenance("", "", ""))


def toy(sizes: list[int], draw: np.random.Generator, constant: float = 1.0) -> Toy:
    """Random monotone costs and damages."""
    families = tuple(
        Family(f"f{number}", "neuron", units, (), (Site("", 0, "", 0, np.arange(units)),))
        for number, units in enumerate(sizes)
    )
    sublayers = tuple(Sublayer(f"block.{f.name}", "ffn", "", "", "", (f.name,)) for f in families)
    damage, drops, tables, scores = {}, {}, {}, {}
    for family in families:
        middle = family.units // 2
        values = np.cumsum(draw.random(3))
        damage[family.name] = ((0, 0.0), (middle, float(values[0]))) if middle else ((0, 0.0),)
        drops[f"block.{family.name}"] = float(values[1])
        costs = np.cumsum(draw.random(family.units) + 0.05)
        tables[family.name] = tuple((kept + 1, float(cost)) for kept, cost in enumerate(costs))
        scores[family.name] = draw.random(family.units)
    return Toy(
        Structure(families, sublayers), Scores("toy", "", scores), Damage("loss", damage, drops),
        CostModel("ms", constant, tables),
    )  # fmt: skip
