"""What could be removed from one model: frozen, plain data, with what it would save and what stays and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunec.report.codec import encode
from prunec.report.data import Machine, Stage
from prunec.report.latency import Measured

VERSION = 1
"""Raised by one whenever a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class GraphInput:
    """One input of the traced graph; `axes` holds the name of each dynamic axis and the size of each fixed one."""

    name: str
    dtype: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class InspectedModel:
    """The traced model.

    Attributes:
        source: the folder, or `module`.
        phase: the phase of its workloads, `encode` or `prefill`.
        parameters, bytes: of all tensors that the graph reads; tied tensors count once.
        nodes: of the graph.
    """

    source: str
    model_class: str
    task: str
    phase: str
    parameters: int
    bytes: int
    nodes: int
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """One axis of a tensor that shrinks with a family, and how many positions of it a unit takes."""

    tensor: str
    dim: int
    per_unit: int


@dataclass(frozen=True)
class Family:
    """Units of one kind in one place.

    Attributes:
        kind: one of `prunec.facts.KINDS`.
        sublayers: names of those around it, several where they share it; outside any it is known but never cut.
        saves_ms: milliseconds that a request takes less with one unit left; None where nothing was measured.
        parameters: of all its units.
    """

    name: str
    kind: str
    sublayers: tuple[str, ...]
    units: int
    parameters_per_unit: int
    slots: tuple[Slot, ...]
    saves_ms: float | None = None
    derived: ClassVar[tuple[str, ...]] = ("parameters",)

    @property
    def parameters(self) -> int:
        """Of all units."""
        return self.units * self.parameters_per_unit


@dataclass(frozen=True)
class Sublayer:
    """One residual branch.

    Attributes:
        kind: `attention`, `ffn`, or `block` where one branch holds both.
        families: names of the families in it; where there are none it is never dropped.
        parameters: that go with it alone when it is bypassed.
        saves_ms: milliseconds that a request takes less without it; None where nothing was measured.
    """

    name: str
    kind: str
    families: tuple[str, ...]
    parameters: int
    saves_ms: float | None = None


@dataclass(frozen=True)
class Pin:
    """What might have been cut and will not be; `operator`: of a call that no rule understands, else empty."""

    what: str
    why: str
    operator: str = ""


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer by its name in the checkpoint, and its elements."""

    tensor: str
    parameters: int


@dataclass(frozen=True)
class Floor:
    """What stays when every sublayer that holds units is bypassed: no plan removes it; the largest tensor is first."""

    parameters: int
    tensors: tuple[Weight, ...]


@dataclass(frozen=True)
class Latency:
    """What a request takes in the deployment runtime, whole and with everything removable gone.

    Attributes:
        workload: as `prefill:1x128`.
        runtime: the runtime and its version.
    """

    workload: str
    runtime: str
    machine: Machine
    dense: Measured
    floor: Measured


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Everything that was found.

    Attributes:
        prunec: the version that looked.
        sublayers, families: in graph order.
        latency: None where no workload was given, or nothing can be removed.
        stages: tracing first; how long each took.
        warnings: one line each.
    """

    version: int = VERSION
    prunec: str
    model: InspectedModel
    sublayers: tuple[Sublayer, ...]
    families: tuple[Family, ...]
    floor: Floor
    pins: tuple[Pin, ...]
    latency: Latency | None
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()

    def family(self, name: str) -> Family:
        """The family called `name`."""
        return next(family for family in self.families if family.name == name)

    def to_json(self) -> str:
        """The inspection as JSON text."""
        return encode(self)
