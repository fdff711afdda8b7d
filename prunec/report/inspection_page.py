"""An inspection as one page in the terminal, equal layers in one row, and as one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.facts import ADDITIVE
from prunec.report import units
from prunec.report.inspection import Family, InspectedModel, Inspection, Pin, Sublayer
from prunec.report.layers import places

WIDEST = 120
UNBROKEN = 300
MOST_RUNS = 3
"""Places are told by this many ranges of layers at most; more are told by the first, the last and their number."""
MOST_WEIGHTS = 3
TIMES = "\N{MULTIPLICATION SIGN}"
NOTHING = "nothing can be removed"


@dataclass(frozen=True)
class Row:
    """One line of the table: families (or sublayers that hold none) that differ in nothing but their place.

    Attributes:
        where: their layers.
        sublayers: those around the families; empty outside any.
        families: alike; empty where the sublayers hold none.
        leads: whether it is the first row of its sublayers, which tells what dropping them saves.
    """

    where: str
    sublayers: tuple[Sublayer, ...]
    families: tuple[Family, ...]
    leads: bool


def print_inspection(inspection: Inspection, console: Console, everything: bool = False) -> None:
    """Print the page: the model, what could go, what stays and why.

    With `everything`, each family and each pin has a line of its own, as long as its names are.
    """
    console.width = UNBROKEN if everything else min(console.width, WIDEST)
    console.print(Text(headline(inspection), "bold"), highlight=False)
    console.print(_about(inspection))
    if inspection.sublayers or inspection.families:
        console.print()
        console.print(_table(inspection, everything))
        for line in _legend(inspection):
            console.print(Text(line, "dim"), highlight=False)
    if inspection.pins:
        console.print()
        console.print(
            Text(f"{len(inspection.pins)} pins: what might have been cut and is not, and why"), highlight=False
        )
        console.print(_pins(inspection.pins, everything))
    for line in inspection.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), line), highlight=False)


def headline(inspection: Inspection) -> str:
    """One sentence: what the model is, how much of it could go, and how much time that could save."""
    model, floor = inspection.model, inspection.floor.parameters
    removable = model.parameters - floor
    found = f"{model.model_class} for {model.task}"
    if not removable:
        return f"{found}, {units.count(model.parameters)} parameters: {NOTHING}"
    share = f"{units.count(removable)} of {units.count(model.parameters)} parameters"
    timed = f", {_saved(inspection)}," if inspection.latency else ""
    return f"{found}: {share} ({_percent(removable, model.parameters)}){timed} could go"


def one_line(inspection: Inspection) -> str:
    """The headline, and how many families, sublayers and pins there are."""
    found = f"{_many(len(inspection.families), 'family', 'families')} in {_many(len(inspection.sublayers), 'sublayer')}"
    return f"{headline(inspection)}; {found}, {_many(len(inspection.pins), 'pin')}"


def _saved(inspection: Inspection) -> str:
    assert inspection.latency is not None
    dense, floor = inspection.latency.dense.median_ms, inspection.latency.floor.median_ms
    return f"{units.milliseconds(dense - floor)} of {units.milliseconds(dense)}"


def _about(inspection: Inspection) -> Table:
    """The model, what stays of it whatever goes, and what was timed."""
    model, latency = inspection.model, inspection.latency
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, width=8)
    table.add_column(overflow="fold")
    lines = {"model": model.source}
    inputs = ", ".join(f"{item.name} {item.dtype}[{', '.join(item.axes)}]" for item in model.inputs)
    lines |= {"inputs": inputs, "outputs": ", ".join(model.outputs)}
    spent = {stage.name: units.duration(stage.seconds) for stage in inspection.stages}
    graph = f"{model.nodes:,} nodes, {units.size(model.bytes)} of weights"
    lines["graph"] = f"{graph}; traced in {spent['load']}, searched in {spent['structure']}"
    if inspection.floor.parameters < model.parameters:
        lines["floor"] = _floor(inspection)
    if latency is not None:
        dense, floor = units.milliseconds(latency.dense.median_ms), units.milliseconds(latency.floor.median_ms)
        threads = _many(latency.machine.threads, "thread")
        lines["latency"] = f"dense {dense}, floor {floor}: {latency.workload}, {threads}, {latency.runtime}"
    for name, line in lines.items():
        table.add_row(name, Text(line))
    return table


def _floor(inspection: Inspection) -> str:
    floor, model = inspection.floor, inspection.model
    largest = [f"{item.tensor} {units.count(item.parameters)}" for item in floor.tensors[:MOST_WEIGHTS]]
    if len(floor.tensors) > MOST_WEIGHTS:
        largest.append(f"{len(floor.tensors) - MOST_WEIGHTS} more")
    share = f"{units.count(floor.parameters)} parameters ({_percent(floor.parameters, model.parameters)})"
    return f"{share} stay whatever goes: {', '.join(largest)}" if largest else share


def _table(inspection: Inspection, everything: bool) -> Table:
    timed = inspection.latency is not None
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold", min_width=6)
    table.add_column(no_wrap=True)
    for _ in range(6 if timed else 4):
        table.add_column(justify="right", no_wrap=True)
    titles = ["layer", "sublayers", "units", "per unit", "in all", "share", *(["cut ms", "drop ms"] if timed else [])]
    table.add_row(*(Text(title, "dim") for title in titles))
    for row in _rows(inspection, everything):
        table.add_row(*_cells(row, inspection.model.parameters, timed))
    return table


def _cells(row: Row, parameters: int, timed: bool) -> list[str | Text]:
    number = f"{len(row.sublayers)} {TIMES} " if len(row.sublayers) > 1 else ""
    apart = "outside any" if all(item.kind in ADDITIVE for item in row.families) else "not counted"
    sublayers = f"{number}{row.sublayers[0].kind}" if row.sublayers else apart
    if row.families:
        one = row.families[0]
        held = sum(item.parameters for item in row.families)
        unit = f"{one.units:,} {units.plural(one.kind)}"
        cells = [unit, units.count(one.parameters_per_unit), units.count(held), _percent(held, parameters)]
    else:
        held = sum(item.parameters for item in row.sublayers)
        cells = ["no units", "", units.count(held), _percent(held, parameters)]
    if timed:
        drops = row.sublayers if row.leads else ()
        cells += [_sum_ms(item.saves_ms for item in row.families), _sum_ms(item.saves_ms for item in drops)]
    return [Text(row.where), sublayers, *cells]


def _sum_ms(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return units.milliseconds(sum(known)).removesuffix(" ms") if known else ""


def _legend(inspection: Inspection) -> list[str]:
    """What the columns say, where that is not plain, and what to type to learn more."""
    lines = []
    if any(not family.sublayers and family.kind in ADDITIVE for family in inspection.families):
        lines.append("outside any: units in no residual branch are known but not cut.")
    if any(family.kind not in ADDITIVE for family in inspection.families):
        lines.append("not counted: units that run through those of other kinds are known but not cut.")
    if any(not sublayer.families for sublayer in inspection.sublayers):
        lines.append("no units: a sublayer without units that can be cut is not dropped either.")
    if inspection.latency is not None:
        lines.append("cut ms: saved at most, one unit left in each layer of the row; drop ms: without its sublayers.")
    elif any(family.sublayers for family in inspection.families):
        lines.append(f"To measure what each could save, add --workload {_workload(inspection.model)}.")
    return lines


def _workload(model: InspectedModel) -> str:
    """A workload that the model takes: with a length where an input has one that may vary."""
    free = {axis for item in model.inputs for axis in item.axes if not axis.isdigit()}
    return f"{model.phase}:1x128" if free - {"batch"} else f"{model.phase}:1"


def _rows(inspection: Inspection, everything: bool) -> list[Row]:
    """The table's rows, in the order in which their first member is in the graph."""
    alike: dict[object, list[tuple[Sublayer | None, Family | None]]] = {}
    for number, (key, member) in enumerate(_members(inspection)):
        alike.setdefault(number if everything else key, []).append(member)
    stacks = _stacks(inspection)
    rows = []
    for members in alike.values():
        around = tuple(sublayer for sublayer, _ in members if sublayer is not None)
        families = tuple(dict.fromkeys(family for _, family in members if family is not None))
        if everything:
            sublayer, family = members[0]
            where = family.name if family else _spots(sublayer, family)[0]
        else:
            where = _where([stacks[name] for sublayer, family in members for name in _spots(sublayer, family)])
        leads = bool(around) and (not families or around[0].families[0] == families[0].name)
        rows.append(Row(where, around, families, leads))
    return rows


def _members(inspection: Inspection) -> Iterable[tuple[object, tuple[Sublayer | None, Family | None]]]:
    """Every family with its sublayer, and each of the two that lacks the other, with a key that is equal for alike."""
    for sublayer in inspection.sublayers:
        own = [inspection.family(name) for name in sublayer.families]
        sizes = tuple((item.kind, item.units, item.parameters_per_unit) for item in own)
        for position in range(max(1, len(own))):
            key = sublayer.kind, sublayer.parameters, sizes, position
            yield key, (sublayer, own[position] if own else None)
    for family in inspection.families:
        if not family.sublayers:
            yield (family.kind, family.units, family.parameters_per_unit), (None, family)


def _spots(sublayer: Sublayer | None, family: Family | None) -> list[str]:
    """Names that say where something is: its sublayer's, or those of the tensors of a family outside any."""
    if sublayer is not None:
        return [sublayer.name]
    if family is None:
        return [""]
    tensors = list(dict.fromkeys(slot.tensor.removesuffix(".weight") for slot in family.slots))
    within = [name for name, place in zip(tensors, places(tensors), strict=True) if place.index >= 0]
    return within or [family.name.removesuffix(f".{family.kind}")]


def _stacks(inspection: Inspection) -> dict[str, tuple[str, int]]:
    """By the name of a spot: the stack it is in, and its index there (-1: none)."""
    spots = [_spots(item, None) for item in inspection.sublayers]
    spots += [_spots(None, item) for item in inspection.families if not item.sublayers]
    names = list(dict.fromkeys(name for own in spots for name in own))
    return {name: (place.stack, place.index) for name, place in zip(names, places(names), strict=True)}


def _where(found: Sequence[tuple[str, int]]) -> str:
    """Layers by stack, as `encoder 0-5`; names for what is in no stack, the first and the last of many."""
    stacks: dict[str, list[int]] = {}
    alone = [stack for stack, index in found if index < 0]
    for stack, index in found:
        if index >= 0:
            stacks.setdefault(stack, []).append(index)
    parts = [f"{stack} {_runs(sorted(set(indices)))}".strip() for stack, indices in stacks.items()]
    if len(alone) > 2:
        alone = [f"{alone[0]} … {alone[-1]}"]
    return ", ".join([*parts, *alone])


def _runs(indices: Sequence[int]) -> str:
    """`0-3, 5` for 0, 1, 2, 3, 5."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    if len(runs) > MOST_RUNS:
        return f"{indices[0]} … {indices[-1]}"
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _pins(pins: Sequence[Pin], everything: bool) -> Table:
    """Pins by reason, the most frequent first, operators without a rule by name; or each."""
    alike: dict[object, list[Pin]] = {}
    for number, pin in enumerate(pins):
        # Names of calls and numbers of units are what differs between equal reasons.
        reason = re.sub(r"\b[a-z]+(?:_[a-z\d]+)*_\d+\b|\d+", "#", pin.why)
        alike.setdefault(number if everything else (pin.operator, reason), []).append(pin)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for same in sorted(alike.values(), key=lambda same: -len(same)):
        first = same[0]
        what = first.what if everything or not first.operator else first.operator
        more = f" and {len(same) - 1} more" if len(same) > 1 and not first.operator else ""
        table.add_row(f"{len(same)} {TIMES}" if not everything else "", Text(f"{what}{more}"), Text(first.why))
    return table


def _many(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
