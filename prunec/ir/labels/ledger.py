"""The book that rules write into: labels, and what ties them together or down."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, fx

from prunec.ir.labels.value import Labelled, core, varying_axes


@dataclass(frozen=True)
class Contraction:
    """A product of an activation with a weight.

    Attributes:
        node: the call; its activation is `node.args[activation]`.
        axis: the contracted axis of the activation, from the end.
        weight: name of the contracted tensor, `dim` its contracted axis.
        labels: `[features]` of the activation along the contracted axis.
    """

    node: fx.Node
    activation: int
    axis: int
    weight: str
    dim: int
    labels: np.ndarray


@dataclass(frozen=True)
class AttentionHeads:
    """The labels of one attention operation by head: arrays `[heads, size]` for query, key, value and any bias."""

    node: fx.Node
    roles: dict[str, np.ndarray]


@dataclass(frozen=True)
class Product:
    """A product of two activations, or of an activation in rows of labels of their own by one matrix.

    Attributes:
        node: the call; `node.args[argument]` is a factor whose last axis is summed over.
        labels: `[rows, size]` of the factor along that axis: one row where all rows have the same.
    """

    node: fx.Node
    argument: int
    labels: np.ndarray


@dataclass(frozen=True)
class Sum:
    """Sets of labels, each of which one sum (or mean, or choice) of `node` runs over.

    Attributes:
        sets: `[sets, size]`.
        node: the call.
        absent: where one set lies along one axis of the call's first argument, and a number in the place of an
            element makes the result what it is without that element: that number, such as 0 for a sum.
        axis: that axis, from the end.
        chosen: how many elements are chosen by their place; 0 where none are.
    """

    sets: np.ndarray
    node: fx.Node
    absent: float | None = None
    axis: int = -1
    chosen: int = 0


@dataclass(frozen=True)
class Mean:
    """A mean that `node` takes of its first argument, of which units can go while its denominator stays.

    Attributes:
        labels: a plane of the argument, of size 1 along the axes on which it is constant.
        axes: the axes of `labels` that the mean runs over.
    """

    node: fx.Node
    labels: np.ndarray
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Numbered:
    """Labels that someone outside the graph knows by number: they stay, unless the numbers are changed with them.

    Attributes:
        labels: in the order in which they are numbered.
        node: the look-up that takes the numbers, or the value that is returned.
        why: what an input or output does with them.
    """

    labels: np.ndarray
    node: fx.Node
    why: str


@dataclass
class Ledger:
    """Everything label flow learns, as flat arrays.

    Attributes:
        tied: pairs of labels that go together.
        repeated: (wide, narrow) pairs: a narrow label stands for several wide ones (broadcasting
            along a labelled axis), and goes when, and only when, all of them go.
        places: for each of these, the place in its call that the narrow label stands at, which can stand at several.
        reduced: what sums run over: all of a set goes, or none.
        averaged: likewise, what normalisations take means of: of what is left they take other means.
        means: what means run over from which units can go: those that are left count as they did.
        firm: labels that stay whatever happens, and why.
        edges: of these, the sides of weights that read a value in which there is nothing to cut.
        looked_up: rows of tables, which whoever feeds an input knows by number.
        returned: columns of outputs, which whoever reads an output knows by number.
        refused: calls that no rule understands, and why: all they touch is pinned.
        chosen: labels along axes by whose places something is looked up, counted or marked.
    """

    size: int = 0
    tied: list[np.ndarray] = field(default_factory=list)
    repeated: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    reduced: list[Sum] = field(default_factory=list)
    averaged: list[Sum] = field(default_factory=list)
    means: list[Mean] = field(default_factory=list)
    firm: list[tuple[np.ndarray, str]] = field(default_factory=list)
    edges: list[np.ndarray] = field(default_factory=list)
    looked_up: list[Numbered] = field(default_factory=list)
    returned: list[Numbered] = field(default_factory=list)
    refused: dict[fx.Node, str] = field(default_factory=dict)
    contractions: list[Contraction] = field(default_factory=list)
    attentions: list[AttentionHeads] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    chosen: list[np.ndarray] = field(default_factory=list)

    @property
    def pins(self) -> list[tuple[np.ndarray, str]]:
        """Labels that stay, and why: what is firm, and what is known by number."""
        return [*self.firm, *((item.labels, item.why) for item in (*self.looked_up, *self.returned))]

    def fresh(self, count: int) -> Tensor:
        """`count` labels never used before."""
        labels = torch.arange(self.size, self.size + count)
        self.size += count
        return labels

    def tie(self, first: Tensor, second: Tensor) -> None:
        """Labels at equal places of two planes (which must broadcast) go together."""
        self.tied.append(_pairs(first, second))

    def repeat(self, wide: Tensor, narrow: Tensor) -> None:
        """Labels of `narrow` stand for all the labels of `wide` that they are broadcast against."""
        narrow = core(narrow)
        places = torch.arange(narrow.numel()).view(narrow.shape)
        wide, narrow, places = (plane.reshape(-1) for plane in torch.broadcast_tensors(core(wide), narrow, places))
        found = np.unique(torch.stack([wide, narrow, places], dim=1)[wide != narrow].numpy(), axis=0)
        self.repeated.append(found[:, :2])
        self.places.append(found[:, 2])

    def pin(self, plane: Tensor, why: str) -> None:
        """The labels of `plane` stay."""
        self.firm.append((np.unique(core(plane).numpy()), why))

    def pin_edge(self, labels: Tensor, node: fx.Node) -> None:
        """The side of a weight stays with which `node` reads a value in which there is nothing to cut."""
        self.pin(labels, f"{node.name} reads a value that cannot be cut")
        self.edges.append(labels.numpy())

    def look_up(self, rows: Tensor, node: fx.Node) -> None:
        """The rows of a table stay, as the positions that `node` takes are numbers of theirs."""
        self.looked_up.append(Numbered(core(rows).reshape(-1).numpy(), node, "rows are looked up by an input"))

    def give(self, plane: Tensor, node: fx.Node) -> None:
        """The labels of a plane of an output stay; those along its last axis alone are columns."""
        own, why = core(plane), "is an output of the graph"
        if own.numel() == own.shape[-1:].numel():
            self.returned.append(Numbered(own.reshape(-1).numpy(), node, why))
        else:
            self.pin(plane, why)

    def pin_domain(self, value: Labelled, why: str) -> None:
        """The labels of the axis that the numbers of `value` are places on stay, if they are such places."""
        if value.domain is not None:
            self.pin(value.domain, why)

    def reduce(
        self,
        plane: Tensor,
        axes: list[int],
        node: fx.Node,
        *,
        mean: bool = False,
        absent: float | None = None,
        chosen: int = 0,
    ) -> None:
        """A sum, or a mean, of `node` runs over `axes` of `plane`: the labels that share the other axes are one set.

        For `absent` and `chosen` see `Sum`.
        """
        varying = varying_axes(plane)
        if len(varying) > 1 or not varying <= set(axes):
            absent, chosen = None, 0
        axis = min(varying) - plane.dim()
        plane = core(plane)
        moved = plane.movedim(axes, list(range(plane.dim() - len(axes), plane.dim())))
        sets = moved.reshape(-1, int(np.prod([plane.shape[axis] for axis in axes]))).numpy()
        found = Sum(np.unique(sets, axis=0), node, absent, axis, chosen)
        (self.averaged if mean else self.reduced).append(found)

    def mean(self, plane: Tensor, axes: list[int], node: fx.Node) -> None:
        """A mean of `node`, whose denominator stays, runs over `axes` of `plane`."""
        self.means.append(Mean(node, core(plane).numpy(), tuple(axes)))

    def multiply(self, plane: Tensor, node: fx.Node, argument: int) -> None:
        """A product of `node` sums over the last axis of `plane`, that of its `argument`."""
        labels = core(plane)
        rows = np.unique(labels.reshape(-1, labels.shape[-1]).numpy(), axis=0)
        self.products.append(Product(node, argument, rows))

    def components(self, links: list[np.ndarray]) -> np.ndarray:
        """Group id of each label where `links`, arrays of pairs, join labels."""
        pairs = np.concatenate(links) if links else np.zeros((0, 2), dtype=np.int64)
        weights = np.ones(len(pairs), dtype=np.int8)
        matrix = coo_array((weights, (pairs[:, 0], pairs[:, 1])), shape=(self.size, self.size))
        return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)


def _pairs(first: Tensor, second: Tensor) -> np.ndarray:
    first, second = torch.broadcast_tensors(core(first), core(second))
    pairs = np.stack([first.reshape(-1).numpy(), second.reshape(-1).numpy()], axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
