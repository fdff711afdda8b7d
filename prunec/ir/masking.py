"""Masks: every family's output multiplied by a vector, every sublayer's by a number, both graph inputs."""

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
    """Where one mask multiplies.

    Attributes:
        node: name of the call whose argument is multiplied.
        argument: which of its arguments.
        index: `[features]`, the mask entry of each feature of the last axis, -1 for features that
            are never masked; None for a single number over the whole value.
        size: entries of the mask.
    """

    node: str
    argument: int
    index: np.ndarray | None
    size: int


def insert_masks(program: Program, sites: Mapping[str, MaskSite]) -> Program:
    """The program with one more input a site, `mask.<name>` of shape `[size]`; ones change nothing."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    tensors: dict[str, Tensor] = dict(program.tensors())
    by_node: dict[str, list[str]] = {}
    for name, site in sites.items():
        by_node.setdefault(site.node, []).append(name)
    originals = [node for node in program.graph.nodes if node.op == "placeholder"]
    for node in originals:
        copies[node] = graph.node_copy(node)
    masks = {name: graph.placeholder(f"mask_{index}") for index, name in enumerate(sites)}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            continue
        copy = copies[node] = graph.node_copy(node, copies.__getitem__)
        for name in by_node.get(node.name, ()):
            with graph.inserting_before(copy):
                product = _multiply(graph, read(copy, sites[name].argument), masks[name], name, sites[name], tensors)
            copy.update_arg(sites[name].argument, product)
    example = {f"mask.{name}": torch.ones(site.size) for name, site in sites.items()}
    inputs = (*program.inputs, *(Input(name, torch.float32, {}) for name in example))
    masked = program.with_module(build_module(graph, tensors))
    return replace(masked, inputs=inputs, example={**program.example, **example})


def _multiply(
    graph: fx.Graph, value: fx.Node, mask: fx.Node, name: str, site: MaskSite, tensors: dict[str, Tensor]
) -> fx.Node:
    def call(target: Callable[..., Any], *args: Any) -> fx.Node:
        # A name of its own, so that no later node of the original has to give up its name.
        return graph.create_node("call_function", target, args, name=f"masking_{mask.name}")

    if site.index is not None and not np.array_equal(site.index, np.arange(site.size)):
        index = f"mask_index.{name}"
        tensors[index] = torch.from_numpy(np.where(site.index < 0, site.size, site.index))
        padded = call(aten.cat.default, [mask, call(aten.new_ones.default, mask, [1])])
        mask = call(aten.index_select.default, padded, 0, graph.get_attr(index))
    return call(aten.mul.Tensor, value, mask)
