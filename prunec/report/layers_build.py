"""From the facts of a finished pipeline to what its report says of each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunec.facts import CostModel, Family, Plan, Recovered, Scores, Structure
from prunec.passbase import Facts
from prunec.report.data import Layer

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def build_layers(facts: Facts) -> tuple[Layer, ...]:
    """A layer for each family, in the order of the structure."""
    structure, plan = facts[Structure], facts.get(Plan) or Plan({})
    gone = structure.gone_with(plan.sublayers)
    return tuple(_layer(facts, family, plan, family.name in gone) for family in structure.families)


def _layer(facts: Facts, family: Family, plan: Plan, dropped: bool) -> Layer:
    structure, recovered = facts[Structure], facts.get(Recovered)
    sublayer = next(iter(structure.sublayers_of(family.name)), None)
    removed = () if dropped else tuple(plan.units.get(family.name, ()))
    dense_ms, slim_ms = _milliseconds(facts.get(CostModel), structure, family, plan)
    kept_scores, removed_scores = _scores(facts.get(Scores), family, range(family.units) if dropped else removed)
    return Layer(
        sublayer=sublayer.name if sublayer else "",
        kind=sublayer.kind if sublayer else "",
        family=family.name,
        unit=family.kind,
        dense_units=family.units,
        slim_units=0 if dropped else family.units - len(removed),
        dropped=dropped,
        recovered=recovered is not None and sublayer is not None and sublayer.name in recovered.sublayers,
        removed=removed,
        dense_ms=dense_ms,
        slim_ms=slim_ms,
        kept_scores=kept_scores,
        removed_scores=removed_scores,
        missing=recovered.missing.get(sublayer.name, ()) if recovered and sublayer else (),
    )


def _milliseconds(
    costs: CostModel | None, structure: Structure, family: Family, plan: Plan
) -> tuple[float | None, float | None]:
    """Before and after `plan`, by the cost tables; None where they are of something else or do not have it."""
    if costs is None or costs.unit != "ms" or family.name not in costs.families:
        return None, None
    return costs.share(structure, Plan({}), family), costs.share(structure, plan, family)


def _scores(
    scores: Scores | None, family: Family, removed: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Quartiles of the scores of the units that stay, and of those `removed`."""
    if scores is None or family.name not in scores.units:
        return (), ()
    values, went = scores.units[family.name], np.zeros(family.units, dtype=bool)
    went[list(removed)] = True
    return _quartiles(values[~went]), _quartiles(values[went])


def _quartiles(values: np.ndarray) -> tuple[float, ...]:
    """Four digits of each: more would be noise."""
    return tuple(float(f"{value:.4g}") for value in np.quantile(values, QUARTILES)) if len(values) else ()
