"""One size for all layers and whole blocks: the least damage within the budget, by trying everything."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations, product

import numpy as np
import pytest

from prunec.cost.allocation import Allocation, damage_curve, lowest
from prunec.errors import BudgetError
from prunec.facts import (
    Ceiling,
    CostModel,
    Damage,
    Family,
    Loadable,
    Plan,
    Scores,
    Shapes,
    Site,
    Structure,
    Sublayer,
)
from prunec.passbase import Facts
from prunec.passes.search.same_shape import SameShapePass
from tests.passes.search.toys import CONTEXT, empty_program

LAYERS, HEADS, NEURONS = 3, 2, 5


def problem(seed: int) -> tuple[Structure, Scores, Damage, CostModel]:
    """Three layers of an attention and a feed-forward; equal prices, random damages."""
    draw = np.random.default_rng(seed)
    families, sublayers = [], []
    for layer, (name, kind, unit, units) in product(
        range(LAYERS), (("attn", "attention", "head", HEADS), ("mlp", "ffn", "neuron", NEURONS))
    ):
        own = f"{layer}.{name}"
        families.append(Family(own, unit, units, (), (Site("", 0, "", 0, np.arange(units)),)))
        sublayers.append(Sublayer(f"block {own}", kind, "", "", "", (own,)))
    structure = Structure(tuple(families), tuple(sublayers))
    scores = Scores("toy", "", {item.name: draw.random(item.units) for item in families})
    drops = {item.name: 1 + float(draw.random()) for item in sublayers}
    curves = {item.name: ((0, 0.0), (item.units - 1, float(draw.random()))) for item in families}
    prices = {item.name: tuple((kept, 0.5 + kept) for kept in range(1, item.units + 1)) for item in families}
    return structure, scores, Damage("nats", curves, drops), CostModel("ms", 1.0, prices)


def best(structure: Structure, scores: Scores, damage: Damage, costs: CostModel, room: float) -> float:
    """The least damage of all choices within `room`."""
    curves = {item.name: damage_curve(structure, item, scores, damage) for item in structure.families}
    found = float("inf")
    layers = chain.from_iterable(combinations(range(LAYERS), count) for count in range(LAYERS))
    for gone, heads, neurons in product(layers, range(HEADS), range(NEURONS)):
        units, total = dict[str, tuple[int, ...]](), 0.0
        dropped = tuple(f"block {layer}.{name}" for layer in gone for name in ("attn", "mlp"))
        for family in structure.families:
            removed = heads if family.kind == "head" else neurons
            if int(family.name[0]) not in gone:
                units[family.name] = lowest(scores, family.name, removed)
                total += float(curves[family.name][removed])
        total += sum(damage.sublayers[name] for name in dropped)
        if costs.predict(structure, Plan(units, dropped)) <= room:
            found = min(found, total)
    return found


def searched(seed: int, room: float, refusal: Callable[[Shapes], str] | None = None) -> Plan:
    facts = Facts()
    for fact in (*problem(seed), Ceiling("ms", room), *([Loadable(refusal)] if refusal else [])):
        facts.put(fact)
    (plan,) = SameShapePass(margin=0.0).run(empty_program(), facts, CONTEXT).facts
    assert isinstance(plan, Plan)
    return plan


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("room", [8.0, 14.0, 19.0])
def test_it_loses_least_of_all_choices_and_says_what_differing_layers_would_lose(seed: int, room: float) -> None:
    given = problem(seed)
    plan = searched(seed, room)
    assert plan.predicted_damage == pytest.approx(best(*given, room))
    assert plan.predicted_cost == pytest.approx(given[3].predict(given[0], plan))
    assert plan.predicted_cost is not None
    assert plan.predicted_cost <= room
    free = Allocation.of(*given, 128).plan(Ceiling("ms", room), 0.0)
    assert plan.free_damage == pytest.approx(free.predicted_damage, rel=1e-3)
    counts = {(name[2:], len(units)) for name, units in plan.units.items()}
    assert len(counts) == len({name for name, _ in counts})


def test_a_budget_below_all_choices_is_refused() -> None:
    with pytest.raises(BudgetError, match="no choice of one size for all layers meets the budget of 2 ms"):
        searched(0, 2.0)


def test_what_no_loader_takes_is_not_chosen() -> None:
    with pytest.raises(BudgetError, match="meets the budget of 14 ms: it is too small"):
        searched(0, 14.0, lambda shapes: "it is too small")
