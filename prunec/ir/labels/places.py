"""Numbers that are places on a labelled axis: cast to another type, counted, and marked."""

from __future__ import annotations

from dataclasses import replace

import torch

from prunec.ir.labels.elementwise import combine_values
from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.lookup import stays, tie_places
from prunec.ir.labels.rules import Call, Result, rule
from prunec.ir.labels.value import Labelled, axis_plane, labels_along_axis, varying_axes

aten = torch.ops.aten

_EXACT = (torch.int16, torch.int32, torch.int64, torch.float32, torch.float64)
"""Types in which no two places of an axis become one number."""


@rule(aten._to_copy, aten.to, follows=True)
def cast(call: Call, ledger: Ledger) -> Labelled:
    """The same numbers in another type."""
    source: Labelled = call.args[0]
    if call.meta.dtype not in _EXACT:
        ledger.pin_domain(source, f"{call.node.name} may round it")
    return Labelled(call.meta, combine_values(call.labelled(), call.meta.shape, ledger), source.domain)


@rule(aten.histc, follows=True)
def histogram(call: Call, ledger: Ledger) -> Result:
    """How often each place occurs, where every place has a bin."""
    bins = call.named("bins", 100)
    whole = (call.named("min", 0), call.named("max", 0)) == (0, bins - 1)
    return _by_place(call, ledger, bins if whole else None)


@rule(aten.bincount, follows=True)
def counts(call: Call, ledger: Ledger) -> Result:
    """How often each place occurs."""
    return _by_place(call, ledger, None if call.named("weights") is not None else call.named("minlength", 0))


@rule(aten.one_hot, follows=True)
def one_hot(call: Call, ledger: Ledger) -> Result:
    """A mark for each number, at its place."""
    return _by_place(call, ledger, call.named("num_classes", -1))


def _by_place(call: Call, ledger: Ledger, size: int | None) -> Result:
    """The last axis of the result is that which the numbers are places on, if it has an element for each place."""
    source: Labelled = call.args[0]
    domain = source.domain
    if domain is None or domain.shape != (size,) or call.meta.shape[-1] != size or source.planes:
        ledger.pin_domain(source, f"{call.node.name} takes places from it")
        return stays(call, ledger)
    ledger.chosen.append(domain.numpy())
    return (axis_plane(domain, call.meta.shape, call.meta.dim() - 1),)


@rule(aten.scatter, follows=True)
def scatter(call: Call, ledger: Ledger) -> Result:
    """Elements along one axis are overwritten by position: the axis goes with that of the places, or stays."""
    source, dim, positions = call.args[:3]
    axis = dim % source.meta.dim()
    for value in call.labelled():
        if value is not positions:
            ledger.pin_domain(value, f"{call.node.name} mixes it with other numbers")
    labels = labels_along_axis(source, axis)
    if labels is None or not tie_places(call, positions, labels, ledger):
        ledger.pin_domain(positions, f"{call.node.name} takes places from it")
        return stays(call, ledger)
    stays(replace(call, args=(_across(source, axis), *call.args[1:])), ledger)
    return (axis_plane(labels, call.meta.shape, axis),)


def _across(value: Labelled, axis: int) -> Labelled:
    """A value without the plane that varies along one axis alone."""
    return Labelled(value.meta, tuple(plane for plane in value.planes if varying_axes(plane) != {axis}))
