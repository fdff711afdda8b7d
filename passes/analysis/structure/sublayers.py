"""Sublayers: residual branches `x + f(x)` that can be bypassed whole."""

from __future__ import annotations

from collections.abc import Sequence, Set

import torch
from torch import fx

from prunec.facts import Family, Sublayer
from prunec.ir.branches import Branch, name_branches
from prunec.ir.nodes import operator
from prunec.ir.program import Program

from .groups import Groups

aten = torch.ops.aten


def find_sublayers(
    program: Program, groups: Groups, branches: Sequence[Branch], families: list[Family]
) -> list[Sublayer]:
    """Every one of the residual branches, which have a product by a weight in them.

    A family is held by the innermost branches around what reads it, if nothing of it acts without them.
    """
    attentions = {item.node for item in groups.flow.ledger.attentions}
    attentions |= {node for node in groups.flow.ledger.refused if operator(node) is aten.scaled_dot_product_attention}
    holding = _holding(program, branches, families)
    bound = [family for family in families if holding[family.name]]
    found: list[Sublayer] = []
    for name, item in name_branches(branches, groups.flow).items():
        inside = {node.name for node in item.inside}
        within = [family for family in bound if any(site.node in inside for site in family.sites)]
        kind = _kind(within, item.inside, item.inside & attentions)
        own = tuple(family.name for family in bound if item in holding[family.name])
        found.append(Sublayer(name, kind, item.add.name, item.skip.name, item.branch.name, own, item.start.name))
    return found


def _holding(program: Program, branches: Sequence[Branch], families: Sequence[Family]) -> dict[str, list[Branch]]:
    """The branches that hold each family: the innermost one around all its sites, or else around each of them."""
    innermost = sorted(branches, key=lambda item: len(item.inside))
    names = {item: {node.name for node in item.inside} for item in branches}
    holding = {}
    for family in families:
        sites = {site.node for site in family.sites}
        around = next(([item] for item in innermost if sites <= names[item]), None)
        if around is None:
            each = (next((item for item in innermost if site in names[item]), None) for site in sites)
            around = list(dict.fromkeys(item for item in each if item is not None))
        holding[family.name] = around if sites and _ends_with(program, around, family) else []
    return holding


def _ends_with(program: Program, branches: Sequence[Branch], family: Family) -> bool:
    """Whether none of the family's masks acts on anything when `branches` are bypassed: none is read elsewhere."""
    if not branches:
        return False
    skips = {item.add: item.skip for item in branches}
    acts = {point.node for point in family.mask_points()}
    seen: set[fx.Node] = set()
    stack = [node for node in program.graph.nodes if node.op == "output"]
    while stack:
        node = stack.pop()
        while node in skips:
            node = skips[node]
        if node not in seen:
            seen.add(node)
            stack.extend(node.all_input_nodes)
    return not any(node.name in acts for node in seen)


def _kind(families: Sequence[Family], inside: Set[fx.Node], attentions: Set[fx.Node]) -> str:
    """A block is an attention with neurons that are not on the way to it, as those of a query's bottleneck are."""
    before: set[fx.Node] = set()
    stack = list(attentions)
    while stack:
        node = stack.pop()
        before.add(node)
        stack.extend(source for source in node.all_input_nodes if source in inside and source not in before)
    names = {node.name for node in before}
    neurons = [family for family in families if family.kind in ("neuron", "channel")]
    apart = any(site.node not in names for family in neurons for site in family.sites)
    return "ffn" if not attentions else "block" if apart else "attention"
