"""How much of each value is left after labels have gone."""

from __future__ import annotations

from functools import reduce

import numpy as np
import torch
from torch import Tensor, fx

from prunec.ir.labels.flow import LabelFlow
from prunec.ir.labels.value import Labelled, core
from prunec.ir.nodes import arguments, function, operator


class Survivors:
    """Counts what survives along the axes of a flow's values.

    Args:
        flow: the label flow of the program that is cut.
        gone: bool by label.
    """

    def __init__(self, flow: LabelFlow, gone: np.ndarray) -> None:
        self.flow = flow
        self.gone = gone
        self._lost = torch.from_numpy(gone)

    def alive(self, node: fx.Node, axis: int, result: int | None = None) -> np.ndarray:
        """Which indices along `axis` of a node's value survive: bool `[size]`.

        Args:
            node: a node of the program before the cut.
            axis: the axis, negative from the end.
            result: which result of a node with several.

        Raises:
            ValueError: what is left is not a block, such as other dims gone in each head.
        """
        value = self.flow.values[node]
        value = value if result is None else value[result]
        assert isinstance(value, Labelled)
        axis %= value.meta.dim()
        left = [mask for mask in (~self._lost[core(plane)] for plane in value.planes) if not bool(mask.all())]
        if not all(map(_is_block, left)):  # one plane can name what another leaves ragged
            left = [reduce(torch.logical_and, left)]
            if not _is_block(left[0]):
                raise ValueError(f"what is left of shape {list(value.shape)} is ragged")
        alive = np.ones(value.shape[axis], dtype=bool)
        for mask in left:
            if mask.shape[axis] > 1 or mask.numel() == 1:  # what is empty along one axis may be whole along another
                alive &= _along(mask, axis).numpy()
        return alive

    def count(self, node: fx.Node, axis: int, result: int | None = None) -> int:
        """How many indices along `axis` survive."""
        return int(self.alive(node, axis, result).sum())

    def computed(self, size: fx.Node) -> int:
        """What a size that the graph computes comes to after the cut, where it is taken from what is cut."""
        if operator(size) is torch.ops.aten.sym_size:
            return self.count(*arguments(size))
        if isinstance(size.target, torch._ops.OpOverload):
            return int(self.flow.values[size])
        args, kwargs = fx.node.map_arg((size.args, size.kwargs), self.computed)
        return int(function(size)(*args, **kwargs))

    def rank(self, node: fx.Node) -> int:
        """How many axes a node's value has."""
        value = self.flow.values[node]
        assert isinstance(value, Labelled)
        return value.meta.dim()

    def size(self, node: fx.Node, axis: int) -> int:
        """How many indices along `axis` a node's value has before the cut, 1 for an axis that it lacks."""
        value = self.flow.values[node]
        assert isinstance(value, Labelled)
        return value.shape[axis] if axis >= 0 else 1

    def dtype(self, node: fx.Node) -> torch.dtype:
        """The type of a node's value."""
        value = self.flow.values[node]
        assert isinstance(value, Labelled)
        return value.meta.dtype

    def results(self, node: fx.Node) -> int:
        """How many values a node with several has."""
        return len(self.flow.values[node])

    def touches(self, node: fx.Node) -> bool:
        """Whether anything of a node's value goes."""
        value = self.flow.values.get(node)
        values = value if isinstance(value, (list, tuple)) else [value]
        planes = (plane for item in values if isinstance(item, Labelled) for plane in item.planes)
        return any(bool(self._lost[core(plane)].any()) for plane in planes)

    def touches_call(self, node: fx.Node) -> bool:
        """Whether anything goes of what a call takes or gives."""
        return any(map(self.touches, (node, *node.all_input_nodes)))


def _along(mask: Tensor, axis: int) -> Tensor:
    """Which indices along an axis have anything left."""
    return mask.movedim(axis, 0).reshape(mask.shape[axis], -1).any(dim=1)


def _is_block(mask: Tensor) -> bool:
    """Whether what is left is all that its indices along each axis span."""
    return int(mask.sum()) == int(np.prod([int(_along(mask, axis).sum()) for axis in range(mask.dim())]))
