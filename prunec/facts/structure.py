"""What can be removed: units by family, sublayers, and what stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

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
class MaskPoint:
    """Where a mask of a family acts on a value.

    Attributes:
        node: name of the call that takes the value.
        argument: which of its arguments the value is.
        unit_of: `[size]`, the unit each index along `axis` belongs to; -1 for those of none.
        axis: the axis along which the units lie, from the end.
        absent: what a masked element becomes where it is replaced, such as minus infinity where the call compares
            elements; None where it is multiplied by the mask.
    """

    node: str
    argument: int
    unit_of: np.ndarray
    axis: int = -1
    absent: float | None = None


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

    @property
    def point(self) -> MaskPoint:
        """Where a mask of the family acts on this site."""
        return MaskPoint(self.node, self.argument, self.unit_of, self.axis)

    def columns(self, tensor: Tensor) -> Tensor:
        """The weight `tensor` as `[features, outputs]`."""
        return tensor.movedim(self.dim, 0).reshape(tensor.shape[self.dim], -1)

    def rows(self, activation: Tensor) -> Tensor:
        """The activation as `[tokens, features]`; a token of a convolution is one place of one image."""
        return activation.movedim(self.axis, -1).reshape(-1, activation.shape[self.axis])


ADDITIVE = ("neuron", "channel", "head", "kv_group")
"""Kinds of units whose costs and damages add up over a sublayer: those that a compile removes."""

KINDS = (*ADDITIVE, "vo_dim", "qk_dim", "expert", "hidden", "vocabulary")
"""Every kind of units there is. What goes with a `vo_dim` or a `qk_dim` depends on how many heads stay, with a `hidden`
on all else that stays; tokens of an `expert` go to the others; without a `vocabulary` the inputs that look it up have
other numbers."""


@dataclass(frozen=True)
class Family:
    """Units of one kind in one place, such as one layer's neurons.

    Attributes:
        name: unique in the structure, such as `model.layers.0.mlp.down_proj`.
        kind: one of `KINDS`.
        units: how many there are.
        slots: every tensor axis that shrinks with the family.
        sites: where the family's output is read: several where layers share weights or a position bias.
        points: where its masks act besides: in what no weight reads, such as scores of attention.
        least: fewest units that can stay, such as the experts that a router chooses for each token.
    """

    name: str
    kind: str
    units: int
    slots: tuple[Slot, ...]
    sites: tuple[Site, ...]
    points: tuple[MaskPoint, ...] = ()
    least: int = 1

    @property
    def spare(self) -> int:
        """Most units that can go."""
        return self.units - self.least

    def mask_points(self) -> tuple[MaskPoint, ...]:
        """Every place where its masks act."""
        return (*(site.point for site in self.sites), *self.points)

    def tensors(self) -> tuple[str, ...]:
        """The tensors that shrink with it, each once."""
        return tuple(dict.fromkeys(slot.tensor for slot in self.slots))

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
    """Something that might have been cut and will not be.

    Attributes:
        what: a call, a family, or an axis of a tensor.
        why: what would go wrong, or the call that holds it together.
        tensors: those that it keeps whole along an axis, as far as they are known.
    """

    what: str
    why: str
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Structure:
    """Every removable unit of a program, by family, and every removable sublayer.

    Attributes:
        unmasked: families that no mask stands for, for no mask does what removing them does; no plan names them.
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
