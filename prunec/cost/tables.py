"""Measured cost tables: sublayers cut out, emitted at a grid of sizes and timed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from prunec.cost.cache import Kept, TableCache, machine_id
from prunec.cost.measure import Timing, interleaved, monotone_table, workload_inputs
from prunec.cost.target import Baseline, Target
from prunec.errors import MeasurementError
from prunec.facts import CostModel, Family, Structure
from prunec.ir.extract import extract
from prunec.ir.labels import run_flow
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.ir.text import signature
from prunec.passbase import Context

Table = tuple[tuple[int, float], ...]
SIZES = 8
"""Sizes measured for a large family; a small one is measured at each."""
SECONDS = 12.0
"""How long the tables are timed."""
FORMAT = 5
"""Raised when tables that an older prunec measured must not be reused."""
PACE = 1.15
"""How many times as fast or slow the machine may be as when kept tables were timed."""
TOLERATED = 0.25
"""Noise that is tolerated in a table, as a share of the distance from its cheapest to its dearest size."""
TRIES = 3
"""How often everything is timed where a table is noisier than that, each time for longer."""


@dataclass(frozen=True)
class Piece:
    """One family's sublayer, cut out: what is emitted at several sizes."""

    mark: str
    family: Family
    program: Program


def measured_costs(
    program: Program,
    structure: Structure,
    target: Target,
    baseline: Baseline,
    context: Context,
    sizes: int = SIZES,
    seconds: float = SECONDS,
) -> tuple[CostModel, str]:
    """The latency cost model in ms, and a line about how it was had.

    Raises:
        MeasurementError: noise swamps a table each of `TRIES` times.
    """
    pieces = _pieces(program, structure, target, context)
    distinct = {piece.mark: piece for piece in pieces.values()}
    cache = TableCache(context.cache / "cost", context.progress)
    keys = {mark: _key(piece, target, sizes) for mark, piece in distinct.items()}
    kept = {mark: found for mark in distinct if (found := cache.read(keys[mark])) is not None}
    tables = {mark: found.table for mark, found in kept.items()}

    def calibrated() -> CostModel:
        return _calibrate(structure, {name: tables[piece.mark] for name, piece in pieces.items()}, baseline)

    missing = {mark: piece for mark, piece in distinct.items() if mark not in kept}
    tables |= _time(missing, target, context, sizes, seconds) if missing else {}
    model = calibrated()
    if stale := _is_stale(model.scale, kept.values()):
        tables |= _time({mark: distinct[mark] for mark in kept}, target, context, sizes, seconds)
        missing, model = distinct, calibrated()
    for mark in missing:
        cache.write(keys[mark], Kept(tables[mark], model.scale))
    source = f"{len(missing)} tables timed, {len(distinct) - len(missing)} from the cache"
    why = ": the pace of those kept was another" if stale else ""
    return model, f"{source}{why}; constant {model.constant:.2f} ms, tables scaled by {model.scale:.2f}"


def _is_stale(scale: float, kept: Iterable[Kept]) -> bool:
    """Whether the machine has another pace than when tables were timed that have to be scaled by `scale` now.

    What sizes cost beside each other is then another, too: one that is busy or hot does not slow down all alike.
    """
    return any(not 1 / PACE <= scale / found.scale <= PACE for found in kept)


def _pieces(program: Program, structure: Structure, target: Target, context: Context) -> dict[str, Piece]:
    """The sublayer of every family inside one, by family name."""
    arrays = workload_inputs(program, target.workload, seed=context.seed)
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    pieces = {}
    with torch.no_grad():
        for sublayer in structure.sublayers:
            for name in sublayer.families:
                family = structure.family(name)
                tensors = {slot.tensor for slot in family.slots}
                cut = extract(program, (sublayer.start, sublayer.skip), sublayer.add, inputs, tensors)
                slots = ",".join(f"{slot.dim}:{slot.positions.shape}" for slot in family.slots)
                fine = [place for place, name in enumerate(cut.tensor_names()) if name in target.numerics.fine]
                mark = f"{family.kind} {slots}{f' fine {fine}' if fine else ''}\n{signature(cut)}"
                pieces[name] = Piece(mark, family, cut)
    return pieces


def _key(piece: Piece, target: Target, sizes: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "machine": machine_id(),
        "runtime": target.backend.runtime,
        "workload": str(target.workload),
        "threads": target.workload.threads,
        "sizes": sizes,
        "piece": piece.mark,
    }


def _grid(units: int, sizes: int) -> list[int]:
    """Sizes to measure: all of a small family; else `sizes` of them, evenly spaced, and one small size."""
    if units <= sizes:
        return list(range(1, units + 1))
    step = max(1, units // 64)
    spaced = {round(share * units / step) * step for share in np.linspace(1 / sizes, 1, sizes)}
    return sorted({step, *spaced, units} - {0})


def _time(
    pieces: Mapping[str, Piece], target: Target, context: Context, sizes: int, seconds: float
) -> dict[str, Table]:
    """Emit every piece at every size, then time all of them in turn."""
    runners: dict[str, Callable[[], object]] = {}
    grids = {mark: _grid(piece.family.units, sizes) for mark, piece in pieces.items()}
    total = sum(map(len, grids.values()))
    for number, (mark, piece) in enumerate(pieces.items()):
        flow = run_flow(piece.program)
        for kept in grids[mark]:
            context.progress.item("emitting cost probes", len(runners) + 1, total)
            cuts = piece.family.cuts(np.arange(kept, piece.family.units)) if kept < piece.family.units else {}
            cuts = {key: indices for key, indices in cuts.items() if key[0] in flow.tensors}
            path = context.scratch / f"probe-{number}-{kept}{target.backend.suffixes[0]}"
            probe = slice_program(piece.program, cuts, flow)
            target.backend.emit(probe, path)
            arrays = {name: value.numpy() for name, value in probe.example.items()}
            runners[f"{number}/{kept}"] = partial(target.backend.load(path, target.workload), arrays)
    attempt = 1
    while True:
        timings = interleaved(runners, seconds=seconds * attempt)
        try:
            return {
                mark: _table(piece.family.name, [(kept, timings[f"{number}/{kept}"]) for kept in grids[mark]])
                for number, (mark, piece) in enumerate(pieces.items())
            }
        except MeasurementError as error:
            if attempt == TRIES:
                raise
            attempt += 1
            context.progress.note(f"{error.what}: timed again, for {attempt} times as long")


def _table(name: str, points: list[tuple[int, Timing]]) -> Table:
    costs = monotone_table(name, [timing for _, timing in points], TOLERATED)
    return tuple((kept, cost) for (kept, _), cost in zip(points, costs, strict=True))


def _calibrate(structure: Structure, tables: Mapping[str, Table], baseline: Baseline) -> CostModel:
    """Scale the tables so that the dense prediction equals the dense measurement."""
    shared: dict[str, Table] = {}
    total = 0.0
    for sublayer in structure.sublayers:
        own = [name for name in sublayer.families if name in tables]
        for name in own:  # where several families share a sublayer, its dense cost counts once
            excess = tables[name][-1][1] * (len(own) - 1) / len(own)
            shared[name] = tuple((kept, cost - excess) for kept, cost in tables[name])
            total += shared[name][-1][1]
    constant = baseline.floor.median
    return CostModel("ms", constant, shared, max(baseline.unpruned.median - constant, 1e-6) / total)
