"""Masks: every family's output under a vector, every sublayer's times a number, both graph inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from prunec.ir.nodes import read
from prunec.ir.program import Input, Program, build_module

aten = torch.ops.aten


@dataclass(frozen=True)
class MaskSite:
    """A place where a mask acts.

    Attributes:
        node: name of the call whose argument is masked.
        argument: which of its arguments.
        index: `[features]`, the mask entry of each feature, -1 for features that are never masked; None for a
            single number over the whole value.
        axis: the axis of the features, from the end.
        absent: the number in the place of what is masked; None where it is multiplied by the mask.
    """

    node: str
    argument: int
    index: np.ndarray | None = None
    axis: int = -1
    absent: float | None = None


@dataclass(frozen=True)
class Mask:
    """One mask: how many entries it has, and every place where it acts."""

    size: int
    sites: tuple[MaskSite, ...]


def insert_masks(program: Program, masks: Mapping[str, Mask]) -> Program:
    """The program with one more input a mask, `mask.<name>` of shape `[size]`; ones change nothing."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    tensors: dict[str, Tensor] = dict(program.tensors())
    by_node: dict[str, list[tuple[str, MaskSite]]] = {}
    for name, mask in masks.items():
        for site in mask.sites:
            by_node.setdefault(site.node, []).append((name, site))
    originals = [node for node in program.graph.nodes if node.op == "placeholder"]
    for node in originals:
        copies[node] = graph.node_copy(node)
    values = {name: graph.placeholder(f"mask_{index}") for index, name in enumerate(masks)}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            continue
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        for name, site in by_node.get(node.name, ()):
            with graph.inserting_before(copy):
                spread = _Spread(graph, values[name], f"{name}.{node.name}", masks[name].size, tensors)
                copy.update_arg(site.argument, spread.over(read(copy, site.argument), site))
    example = {f"mask.{name}": torch.ones(mask.size) for name, mask in masks.items()}
    inputs = (*program.inputs, *(Input(name, torch.float32, {}) for name in example))
    masked = program.with_module(build_module(graph, tensors))
    return replace(masked, inputs=inputs, example={**program.example, **example})


@dataclass(frozen=True)
class _Spread:
    """A mask on its way into one call of `graph`; `label` names what it needs besides."""

    graph: fx.Graph
    mask: fx.Node
    label: str
    size: int
    tensors: dict[str, Tensor]

    def over(self, value: fx.Node, site: MaskSite) -> fx.Node:
        """`value` under the mask, which is laid along the site's axis."""
        mask = self.mask
        if site.index is not None and not np.array_equal(site.index, np.arange(self.size)):
            index = f"mask_index.{self.label}.{site.argument}"
            self.tensors[index] = torch.from_numpy(np.where(site.index < 0, self.size, site.index))
            padded = self._call(aten.cat.default, [mask, self._call(aten.new_ones.default, mask, [1])])
            mask = self._call(aten.index_select.default, padded, 0, self.graph.get_attr(index))
        if site.axis != -1:
            mask = self._call(aten.reshape.default, mask, [-1] + [1] * (-site.axis - 1))
        if site.absent is not None:
            return self._call(aten.masked_fill.Scalar, value, self._call(aten.eq.Scalar, mask, 0), site.absent)
        return self._call(aten.mul.Tensor, value, mask)

    def _call(self, target: Callable[..., Any], *args: Any) -> fx.Node:
        # A name of its own, so that no later node of the original has to give up its name.
        return self.graph.create_node("call_function", target, args, name=f"masking_{self.mask.name}")
