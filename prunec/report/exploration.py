"""What every budget along a path file would cut, and what that is expected to cost: frozen, plain data."""

from __future__ import annotations

from dataclasses import dataclass

from prunec.report.codec import encode
from prunec.report.data import Machine

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class Part:
    """A family of units: `kind` is the kind of its units, `sublayer` the first that holds it, empty outside any."""

    name: str
    kind: str
    units: int
    sublayer: str
    sublayer_kind: str


@dataclass(frozen=True)
class Stop:
    """One budget and what it would cut.

    Attributes:
        budget: the upper bound, in the unit of the exploration; of the last stop the dense cost, rounded up.
        command: what cuts the model there.
        parameters: left by the plan, as counted part by part.
        latency_ms: predicted by the cost tables; None without a model.
        damage: sum of the damages measured one place at a time, re-fitted; None where the file has none.
        kept: units of each part that stay, in the order of the parts; 0 where its sublayer goes whole.
        bypassed: names of the sublayers that go whole.
    """

    budget: float
    command: str
    parameters: float
    latency_ms: float | None
    damage: float | None
    kept: tuple[int, ...]
    bypassed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """A path file from its floor to the dense model.

    Attributes:
        prunec: the version that explored.
        file: the path file; `source`: the model, as the command names it.
        search: what chooses along the path; `found_by`: the criterion or the method that is in the file.
        text_hash: hash of the calibration text behind it; empty where none was read.
        objective: what damage is measured in; empty where the file has none.
        unit: of the budgets: `parameters`, or `ms` where the model was there to be timed.
        floor, dense: what no plan can remove, and the whole, in that unit.
        workload: what a latency is of; None under budgets of parameters.
        machine: the one that the cost tables are of; None likewise.
        parts: in the order of the model.
        stops: the least budget first.
    """

    version: int = VERSION
    prunec: str
    file: str
    source: str
    search: str
    found_by: str
    text_hash: str
    objective: str
    unit: str
    floor: float
    dense: float
    workload: str | None
    machine: Machine | None
    parts: tuple[Part, ...]
    stops: tuple[Stop, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """All of it as JSON text."""
        return encode(self)
