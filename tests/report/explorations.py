"""A path file's findings to explore: a small model of two layers, scored and measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prunec.calibration.outline import Outline
from prunec.calibration.pathfile import Findings
from prunec.cost.sweep import sweep
from prunec.facts import CostModel, Damage, Family, Scores, SolutionPath, Structure, Sublayer
from prunec.report.exploration import Exploration
from prunec.report.exploration_build import Priced, build_exploration


def families(layers: int, neurons: int) -> tuple[Family, ...]:
    """Two heads and some neurons for each layer."""
    kinds = (("attn", "head", 2), ("mlp", "neuron", neurons))
    return tuple(Family(f"layer.{n}.{name}", kind, units, (), ()) for n in range(layers) for name, kind, units in kinds)


def outline(layers: int = 2, neurons: int = 4) -> Outline:
    """Heads count 30 parameters, neurons 10, each sublayer 5 and the rest 100."""
    found = families(layers, neurons)
    kinds = {"head": "attention", "neuron": "ffn"}
    sublayers = tuple(Sublayer(item.name, kinds[item.kind], "", "", "", (item.name,)) for item in found)
    each = {"head": 30.0, "neuron": 10.0}
    tables = {item.name: ((1, 5 + each[item.kind]), (item.units, 5 + each[item.kind] * item.units)) for item in found}
    return Outline(Structure(found, sublayers), CostModel("parameters", 100.0, tables))


def measured(known: Outline) -> dict[type, object]:
    """Scores and damage: the later a unit stands, the more it matters."""
    found = known.structure.families
    scores = Scores("taylor", "abc", {item.name: np.arange(1.0, item.units + 1) for item in found})
    curves = {
        item.name: tuple((k, 0.1 * (n + 1) * k / item.units) for k in (0, item.units // 2, item.units - 1))
        for n, item in enumerate(found)
    }
    return {
        Scores: scores,
        Damage: Damage("nats per token", curves, {item.name: 0.5 for item in known.structure.sublayers}),
    }


def followed(known: Outline) -> dict[type, object]:
    """A solution path: units enter in the order in which they stand."""
    entries = {item.name: np.arange(1.0, item.units + 1) for item in known.structure.families}
    return {SolutionPath: SolutionPath("solution-path{steps=6}", "abc", entries)}


def exploration(known: Outline | None = None, facts: dict[type, object] | None = None, count: int = 8) -> Exploration:
    """What is found along a path file, by parameters."""
    known = known or outline()
    facts = facts or measured(known)
    plans = sweep(known.structure, facts, known.parameters, count)
    commands = {budget: f"prunec ./model -o slim.onnx --budget-params {budget:.0f}" for budget in plans}
    findings = Findings("weights", "units", "./model", facts, known)
    priced = Priced(known.structure, known.parameters)
    return build_exploration(Path("a.path.safetensors"), "./model", findings, priced, plans, commands)
