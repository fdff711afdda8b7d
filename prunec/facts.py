"""What passes state about a program: structure, scores, damage, cost and plan. Frozen, plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from prunec.ir.program import Program

Cuts = dict[tuple[str, int], np.ndarray]
"""What goes from each tensor: (tensor name, dim) to the sorted indices along that dim."""


@dataclass(frozen=True)
class Slot:
    """One tensor axis in which every unit of a family occupies positions.

    Attributes:
        tensor: checkpoint name of the parameter or buffer.
        dim: the axis that is cut.
        positions: `[units, positions per unit]`, the indices along `dim` that go with each unit.
    """

    tensor: str
    dim: int
    positions: np.ndarray


@dataclass(frozen=True)
class Site:
    """Where a family is masked, scored and re-fitted: a contraction that reads its output.

    Attributes:
        node: name of the contraction node.
        argument: which of its arguments is the activation.
        weight: the tensor contracted with that activation.
        dim: the axis of `weight` that is contracted.
        unit_of: `[features]`, the unit each feature belongs to; -1 for features of none.
        axis: the axis of the activation that is contracted, from the end: -1 for a matrix product, before the
            places for a convolution.
    """

    node: str
    argument: int
    weight: str
    dim: int
    unit_of: np.ndarray
    axis: int = -1

    def columns(self, tensor: Tensor) -> Tensor:
        """The weight `tensor` as `[features, outputs]`."""
        return tensor.movedim(self.dim, 0).reshape(tensor.shape[self.dim], -1)

    def rows(self, activation: Tensor) -> Tensor:
        """The activation as `[tokens, features]`; a token of a convolution is one place of one image."""
        return activation.movedim(self.axis, -1).reshape(-1, activation.shape[self.axis])


ADDITIVE = ("neuron", "channel", "head", "kv_group")
"""Kinds of units whose costs and damages add up over a sublayer: those that a compile removes."""

KINDS = (*ADDITIVE, "vo_dim", "hidden")
"""Every kind of units there is. What goes with a `vo_dim` depends on how many heads stay, and no mask removes a
`hidden` from the means of normalisations."""


@dataclass(frozen=True)
class Family:
    """Units of one kind in one place, such as one layer's neurons.

    Attributes:
        name: unique in the structure, such as `model.layers.0.mlp.down_proj`.
        kind: one of `KINDS`.
        units: how many there are.
        slots: every tensor axis that shrinks with the family.
        sites: where the family's output is read: several where layers share weights or a position bias.
    """

    name: str
    kind: str
    units: int
    slots: tuple[Slot, ...]
    sites: tuple[Site, ...]

    def readers(self) -> dict[str, Site]:
        """One site for each weight that reads the family, by the weight's name."""
        readers: dict[str, Site] = {}
        for site in self.sites:
            readers.setdefault(site.weight, site)
        return readers

    def cuts(self, removed: np.ndarray) -> Cuts:
        """The tensor indices that go when the units `removed` go."""
        cuts: Cuts = {}
        for slot in self.slots:
            indices = slot.positions[removed].ravel()
            key = (slot.tensor, slot.dim)
            cuts[key] = np.unique(np.concatenate([cuts[key], indices]) if key in cuts else indices)
        return cuts


@dataclass(frozen=True)
class Sublayer:
    """One residual branch, `x + f(x)`: what can be bypassed whole.

    Attributes:
        name: unique in the structure, such as `model.layers.0.mlp`.
        kind: `attention`, `ffn`, or `block` where one branch holds both.
        add: name of the residual addition.
        skip: name of the node `x`.
        branch: name of the node `f(x)`.
        families: names of the families inside, of additive kinds.
        start: name of the node that both are computed from: `x` itself, except where branches stand side by side,
            `(x + f(x)) + g(x)`, and where the stream is scaled, `a x + f(x)`.
    """

    name: str
    kind: str
    add: str
    skip: str
    branch: str
    families: tuple[str, ...]
    start: str = ""

    def __post_init__(self) -> None:
        if not self.start:
            object.__setattr__(self, "start", self.skip)


@dataclass(frozen=True)
class Pin:
    """Something that might have been cut and will not be: what, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Structure:
    """Every removable unit of a program, by family, and every removable sublayer.

    Attributes:
        unmasked: families that have no sites, for no mask does what removing them does; no plan names them.
    """

    families: tuple[Family, ...]
    sublayers: tuple[Sublayer, ...]
    pins: tuple[Pin, ...] = ()
    unmasked: tuple[Family, ...] = ()

    def family(self, name: str) -> Family:
        """The family called `name`."""
        return next(family for family in self.families if family.name == name)

    def sublayers_of(self, family: str) -> tuple[Sublayer, ...]:
        """The sublayers that hold `family`: several where they share it."""
        return tuple(sublayer for sublayer in self.sublayers if family in sublayer.families)

    def sublayer_of(self, family: str) -> Sublayer | None:
        """The sublayer that holds `family`, if exactly one does."""
        holding = self.sublayers_of(family)
        return holding[0] if len(holding) == 1 else None

    def gone_with(self, sublayers: Iterable[str]) -> frozenset[str]:
        """The families that nothing is left of when `sublayers` are bypassed."""
        dropped = frozenset(sublayers)
        held = {name for item in self.sublayers if item.name not in dropped for name in item.families}
        return frozenset(
            name for item in self.sublayers if item.name in dropped for name in item.families if name not in held
        )


@dataclass(frozen=True)
class Dense:
    """The program as it was before anything was removed: the oracle of every later check."""

    program: Program


@dataclass(frozen=True)
class Scores:
    """One criterion's importance of every unit: higher means keep. Comparable within a family.

    Attributes:
        criterion: its text form, with settings, such as `sensitivity`.
        data_hash: hash of the calibration text, empty for criteria that read none.
        units: per family name, `[units]`.
    """

    criterion: str
    data_hash: str
    units: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SecondMoments:
    """Mean over calibration tokens of `a a^T` where each family is read.

    Attributes:
        sites: `[features, features]` by family name and by the name of the weight that reads it.
    """

    sites: Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Damage:
    """Measured loss increase of removals, one place at a time.

    Attributes:
        objective: what the loss is, such as `KL divergence to the dense model, nats per token`.
        families: per family name, the increase when the lowest-scored `k` units go: `(k, increase)`
            pairs, `k` ascending, starting at `(0, 0.0)`.
        sublayers: per sublayer name, the increase when it is bypassed.
    """

    objective: str
    families: Mapping[str, tuple[tuple[int, float], ...]]
    sublayers: Mapping[str, float]


@dataclass(frozen=True)
class Ceiling:
    """The budget in the cost model's own unit: `ms`, `parameters` or `bytes`."""

    unit: str
    value: float


@dataclass(frozen=True)
class CostModel:
    """What a program costs by what is kept: a constant, plus a table per family.

    Attributes:
        unit: `ms`, `parameters` or `bytes`.
        constant: cost of what no plan can remove (the floor).
        families: per family name, `(units kept, cost of its sublayer)` pairs, ascending from 1 unit; of each
            of its sublayers where several share it.
        scale: factor on the tables that makes the dense prediction equal the dense measurement.
    """

    unit: str
    constant: float
    families: Mapping[str, tuple[tuple[int, float], ...]]
    scale: float = 1.0

    def family(self, name: str, kept: int) -> float:
        """Cost of the sublayer around family `name` with `kept` units, interpolated between sizes."""
        sizes, costs = zip(*self.families[name], strict=True)
        return self.scale * float(np.interp(kept, sizes, costs))

    def predict(self, structure: Structure, plan: Plan) -> float:
        """Cost of the program after `plan`."""
        total = self.constant
        for family in structure.families:
            if family.name in self.families:
                holding = structure.sublayers_of(family.name)
                times = sum(item.name not in plan.sublayers for item in holding) if holding else 1
                total += times * self.family(family.name, family.units - len(plan.units.get(family.name, ())))
        return total


@dataclass(frozen=True)
class Plan:
    """What goes.

    Attributes:
        units: per family name, the unit indices that go, ascending.
        sublayers: names of the sublayers that are bypassed.
        predicted_cost: by the cost model of the search, in its unit.
        predicted_damage: summed measured damage, in the objective's unit.
    """

    units: Mapping[str, tuple[int, ...]]
    sublayers: tuple[str, ...] = ()
    predicted_cost: float | None = None
    predicted_damage: float | None = None

    def is_empty(self) -> bool:
        """Whether the plan removes nothing."""
        return not self.sublayers and not any(self.units.values())

    def removes_as(self, other: Plan) -> bool:
        """Whether the same goes as with `other`, whatever was predicted of each."""
        return (self.units, self.sublayers) == (other.units, other.sublayers)

    def cuts(self, structure: Structure) -> Cuts:
        """The tensor indices that go with the removed units, outside bypassed sublayers."""
        gone = structure.gone_with(self.sublayers)
        cuts: Cuts = {}
        for name, removed in self.units.items():
            if name in gone or not removed:
                continue
            for key, indices in structure.family(name).cuts(np.asarray(removed)).items():
                cuts[key] = np.unique(np.concatenate([cuts[key], indices])) if key in cuts else indices
        return cuts


@dataclass(frozen=True)
class Equivalence:
    """Slim program against masked dense program, before recovery.

    Attributes:
        error: largest absolute difference of an output, over the largest absolute dense output (or 1).
        tolerance: what was allowed.
    """

    error: float
    tolerance: float


@dataclass(frozen=True)
class Recovered:
    """What recovery did: which sublayers were re-fitted, and the damage before and after on held-out text."""

    method: str
    sublayers: tuple[str, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Quality:
    """The objective on held-out text that nothing was chosen by.

    Attributes:
        unit: what `dense` and `slim` are measured in.
        dense, slim: the figure for each.
        damage: distance of slim from dense, in the objective's damage unit.
        items: tokens or sequences it is a mean over.
    """

    unit: str
    dense: float
    slim: float
    damage: float
    items: int
