"""From a structure, and its measured costs where there are any, to an inspection."""

from __future__ import annotations

import re
from collections.abc import Sequence

import prunec
from prunec.cost.counting import count, count_per_unit
from prunec.cost.target import Baseline, Target
from prunec.facts import CostModel, Pin, Structure
from prunec.frontends.loaded import Loaded
from prunec.ir.bypass import tensors_after
from prunec.ir.program import Program
from prunec.passbase import Facts
from prunec.pipeline import Stage
from prunec.report import inspection as data
from prunec.report.build import machine_of, measured_of, stage_of


def build_inspection(loaded: Loaded, facts: Facts, stages: Sequence[Stage], warnings: Sequence[str]) -> data.Inspection:
    """Gather what the passes found in a loaded model; `stages` begin with the loading."""
    program, structure, costs = loaded.program, facts[Structure], facts.get(CostModel)
    return data.Inspection(
        prunec=prunec.__version__,
        model=_model(loaded),
        sublayers=_sublayers(program, structure, costs),
        families=_families(program, structure, costs),
        floor=_floor(program, structure),
        pins=tuple(map(_pin, structure.pins)),
        latency=_latency(facts) if costs is not None else None,
        stages=tuple(map(stage_of, stages)),
        warnings=tuple(warnings),
    )


def _model(loaded: Loaded) -> data.InspectedModel:
    program, origin = loaded.program, loaded.program.provenance
    inputs = []
    for item in program.inputs:
        axes = tuple(item.axes.get(axis, str(size)) for axis, size in enumerate(program.example[item.name].shape))
        inputs.append(data.GraphInput(item.name, str(item.dtype).removeprefix("torch."), axes))
    return data.InspectedModel(
        source=origin.source,
        model_class=origin.model_class,
        task=loaded.task.name,
        phase=loaded.task.phase,
        parameters=program.parameter_count(),
        bytes=program.size_bytes(),
        nodes=len(program.graph.nodes),
        inputs=tuple(inputs),
        outputs=program.outputs,
    )


def _sublayers(program: Program, structure: Structure, costs: CostModel | None) -> tuple[data.Sublayer, ...]:
    dense, found = program.parameter_count(), []
    for item in structure.sublayers:
        left = program.parameter_count(tensors_after(program, [(item.add, item.skip)]))
        priced = [name for name in item.families if costs is not None and name in costs.families]
        saves = sum(costs.family(name, structure.family(name).units) for name in priced) if costs and priced else None
        found.append(data.Sublayer(item.name, item.kind, item.families, dense - left, saves))
    return tuple(found)


def _families(program: Program, structure: Structure, costs: CostModel | None) -> tuple[data.Family, ...]:
    found = []
    for item in (*structure.families, *structure.unmasked):
        around = tuple(sublayer.name for sublayer in structure.sublayers_of(item.name))
        saves = None
        if costs is not None and item.name in costs.families:
            saves = len(around) * (costs.family(item.name, item.units) - costs.family(item.name, 1))
        slots = tuple(data.Slot(slot.tensor, slot.dim, slot.positions.shape[1]) for slot in item.slots)
        each = count_per_unit(program, item, "parameters")
        found.append(data.Family(item.name, item.kind, around, item.units, each, slots, saves))
    return tuple(found)


def _floor(program: Program, structure: Structure) -> data.Floor:
    names = tensors_after(program, [(item.add, item.skip) for item in structure.sublayers if item.families])
    weights = [
        data.Weight(name, count(program, "parameters", [name])) for name in program.tensor_names() if name in names
    ]
    largest = sorted((item for item in weights if item.parameters), key=lambda item: -item.parameters)
    return data.Floor(program.parameter_count(names), tuple(largest))


def _pin(pin: Pin) -> data.Pin:
    """The structure names a call that no rule understands with its operator in brackets behind it."""
    called = re.fullmatch(r"\S+ \((\S+)\)", pin.what)
    return data.Pin(pin.what, pin.why, called[1] if called else "")


def _latency(facts: Facts) -> data.Latency:
    target, baseline = facts[Target], facts[Baseline]
    return data.Latency(
        str(target.workload),
        target.backend.runtime,
        machine_of(target.workload.threads),
        measured_of(baseline.dense),
        measured_of(baseline.floor),
    )
