"""What a report says of each layer: units, milliseconds by the cost tables, and how scores lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prunec.facts import CostModel, Plan, Scores
from prunec.passbase import Facts
from prunec.report.layers_build import build_layers
from tests.report.explorations import outline

KNOWN = outline()
TIMES = replace(KNOWN.parameters, unit="ms", scale=0.1)
SCORES = Scores("taylor", "abc", {"layer.0.mlp": np.array([5.0, 1.0, 3.0, 2.0])})
PLAN = Plan({"layer.0.mlp": (1, 3)}, ("layer.1.mlp",))


def facts(costs: CostModel = TIMES) -> Facts:
    """A finished compile of two layers."""
    return Facts({type(fact): fact for fact in (KNOWN.structure, costs, SCORES, PLAN)})


def test_a_layer_has_the_milliseconds_of_the_cost_tables_before_and_after() -> None:
    found = {layer.family: layer for layer in build_layers(facts())}
    assert found["layer.0.mlp"].dense_ms == found["layer.1.mlp"].dense_ms == pytest.approx(4.5)
    assert found["layer.0.mlp"].slim_ms == pytest.approx(2.5)
    assert found["layer.1.mlp"].slim_ms == 0.0
    saved = sum((layer.dense_ms or 0) - (layer.slim_ms or 0) for layer in found.values())
    assert saved == pytest.approx(TIMES.predict(KNOWN.structure, Plan({})) - TIMES.predict(KNOWN.structure, PLAN))


def test_tables_of_parameters_say_nothing_of_milliseconds() -> None:
    assert {layer.dense_ms for layer in build_layers(facts(KNOWN.parameters))} == {None}


def test_scores_of_units_that_stay_and_that_went_are_told_apart() -> None:
    found = {layer.family: layer for layer in build_layers(facts())}
    layer = found["layer.0.mlp"]
    assert (layer.kept_scores, layer.removed_scores) == ((3.0, 3.5, 4.0, 4.5, 5.0), (1.0, 1.25, 1.5, 1.75, 2.0))
    assert (found["layer.0.attn"].kept_scores, found["layer.0.attn"].removed_scores) == ((), ())


def test_all_scores_of_a_sublayer_that_went_whole_are_of_removed_units() -> None:
    known = facts().having(replace(PLAN, sublayers=("layer.0.mlp",)))
    layer = next(layer for layer in build_layers(known) if layer.family == "layer.0.mlp")
    assert (layer.dropped, layer.removed, layer.slim_units, layer.kept_scores) == (True, (), 0, ())
    assert layer.removed_scores == (1.0, 1.75, 2.5, 3.5, 5.0)
