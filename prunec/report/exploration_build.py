"""From the plans along a path file to an exploration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import prunec
from prunec.calibration.pathfile import Findings
from prunec.cost.sweep import search_name
from prunec.cost.target import Target
from prunec.facts import CostModel, Damage, Plan, Scores, SolutionPath, Structure
from prunec.report.build import machine_of
from prunec.report.exploration import Exploration, Part, Stop


@dataclass(frozen=True)
class Priced:
    """What plans are searched in.

    Attributes:
        structure: of the file or of the model.
        parameters: counted costs.
        latency: measured ones, in ms; None where no model was there to be timed.
        target: what they are a latency on; None likewise.
    """

    structure: Structure
    parameters: CostModel
    latency: CostModel | None = None
    target: Target | None = None

    @property
    def costs(self) -> CostModel:
        """Those that budgets are in."""
        return self.latency or self.parameters


def build_exploration(
    file: Path,
    source: str,
    findings: Findings,
    priced: Priced,
    plans: Mapping[float, Plan],
    commands: Mapping[float, str],
    warnings: tuple[str, ...] = (),
) -> Exploration:
    """Gather `plans` by budget; `commands` say what is typed for each."""
    structure, costs, target = priced.structure, priced.costs, priced.target
    found_by, text_hash = _origin(findings)
    damage = findings.facts.get(Damage)
    return Exploration(
        prunec=prunec.__version__,
        file=str(file),
        source=source,
        search=search_name(findings.facts),
        found_by=found_by,
        text_hash=text_hash,
        objective=damage.objective if isinstance(damage, Damage) else "",
        unit=costs.unit,
        floor=costs.constant,
        dense=costs.predict(structure, Plan({})),
        workload=str(target.workload) if target else None,
        machine=machine_of(target.workload.threads) if target else None,
        parts=_parts(structure),
        stops=tuple(_stop(priced, budget, plan, commands[budget]) for budget, plan in plans.items()),
        warnings=warnings,
    )


def _origin(findings: Findings) -> tuple[str, str]:
    """What found it out, and the hash of the text that it read."""
    for fact in findings.facts.values():
        if isinstance(fact, SolutionPath):
            return fact.method, fact.data_hash
    scores = findings.facts[Scores]
    assert isinstance(scores, Scores)
    return scores.criterion, scores.data_hash


def _parts(structure: Structure) -> tuple[Part, ...]:
    parts = []
    for family in structure.families:
        sublayer = next(iter(structure.sublayers_of(family.name)), None)
        name, kind = (sublayer.name, sublayer.kind) if sublayer else ("", "")
        parts.append(Part(family.name, family.kind, family.units, name, kind))
    return tuple(parts)


def _stop(priced: Priced, budget: float, plan: Plan, command: str) -> Stop:
    structure, gone = priced.structure, priced.structure.gone_with(plan.sublayers)
    kept = [
        0 if family.name in gone else family.units - len(plan.units.get(family.name, ()))
        for family in structure.families
    ]
    return Stop(
        budget,
        command,
        priced.parameters.predict(structure, plan),
        priced.latency.predict(structure, plan) if priced.latency else None,
        plan.predicted_damage,
        tuple(kept),
        plan.sublayers,
    )
