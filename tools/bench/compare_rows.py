"""Rows of two result files, matched by what they are of, and each figure's ratio: above 1 is worse."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from prunec.errors import InputError

Row = dict[str, Any]

KEYS = (
    "model", "method", "rival", "amount", "exporter", "criterion", "calibration", "workload", "clock", "threads",
    "step", "layers", "width", "set", "mode", "keep", "draw", "part", "speedup", "speedup_asked", "asked",
    "case", "tool", "kind",
)  # fmt: skip
"""What tells a row from others, in the order in which names give it. Rows alike in these are repeats: seeds, runs."""
JUDGED = (
    "seconds", "processor_seconds", "peak_bytes", "peak_memory_bytes", "file_bytes", "bytes", "measured_ms",
    "median_ms*", "ratio*", "processor_ratio*", "increase*", "loss*.1", "cut*.0", "fitted*.0", "damage*", "accuracy",
    "right*.file", "stages*", "lacking",
)  # fmt: skip
"""Figures that say how good something is, as patterns of names; the others say under which circumstances."""
SEED, STAGES = "seed", "stages"
HIGHER = ("cosine", "accuracy")
"""What the unit of quality is called where higher is better."""
QUALITY = ("loss*", "dense.*.0", "cut*.0", "fitted*.0")
"""Figures that are in the row's unit of quality."""
RIGHT = ("accuracy", "right*.file")
"""Figures of which more is better in any row."""


@dataclass(frozen=True)
class Change:
    """One figure of one row, in both files; medians where the row is there more than once.

    Attributes:
        row: what the row is of.
        figure: its name in the row, dots between levels.
        old, new: in its own unit.
        ratio: new by old, or old by new where higher is better: above 1 is worse. None where it says nothing.
        spread: the lowest and the highest ratio of repeats; None of a single one.
        judged: whether the figure says how good something is.
    """

    row: str
    figure: str
    old: float
    new: float
    ratio: float | None
    spread: tuple[float, float] | None
    judged: bool


@dataclass(frozen=True)
class Comparison:
    """All that two files have in common, and what only one of them has.

    Attributes:
        changes: by row and figure, in the order of the new file.
        only_old, only_new: rows that one of them has.
        failing: rows that have figures in the old file and an error in the new one, with the error.
    """

    changes: tuple[Change, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    failing: Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """The rows of a result file: a list of them, or an object with one. A unit goes to all rows of its model.

    Raises:
        InputError: the file cannot be read, or holds no such list.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error})", "name a result file of tools/bench") from error
    rows = found.get("rows") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} holds no list of rows", "name a result file of tools/bench")
    units = {row.get("model"): row["unit"] for row in rows if "unit" in row}
    return [{"unit": units[row["model"]], **row} if row.get("model") in units else row for row in rows]


def compared(old: list[Row], new: list[Row], figures: str | None = None) -> Comparison:
    """Match rows and figures. `figures` is a pattern for the names of those that count; None takes all.

    Repeats are paired by their seeds, where these are in both, and by their order otherwise.
    """
    before, after = _by_name(old), _by_name(new)
    both = [name for name in after if name in before]
    changes = [change for name in both for change in _changes(name, before[name], after[name])]
    return Comparison(
        tuple(change for change in changes if figures is None or fnmatch(change.figure, figures)),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name not in before),
        {
            name: str(after[name][-1]["error"])
            for name in both
            if "error" in after[name][-1] and "error" not in before[name][-1]
        },
    )


def _by_name(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[_name(row)].append(row)
    return found


def _name(row: Row) -> str:
    said = [f"{key} {row[key]:g}" if isinstance(row[key], float | int) else str(row[key]) for key in KEYS if key in row]
    return ", ".join(said) or "a row without a name"


def _changes(name: str, old: list[Row], new: list[Row]) -> Iterator[Change]:
    pairs = _paired(old, new)
    flat = [(dict(_flat(one)), dict(_flat(other)), other) for one, other in pairs]
    for figure in dict.fromkeys(figure for one, other, _ in flat for figure in other if figure in one):
        values = [(one[figure], other[figure]) for one, other, _ in flat if figure in one and figure in other]
        better = _higher_is_better(figure, flat[0][2])
        ratios = [ratio for one, other in values if (ratio := _ratio(one, other, better)) is not None]
        middle = np.median(np.array(values), axis=0)
        yield Change(
            name,
            figure,
            old=float(middle[0]),
            new=float(middle[1]),
            ratio=float(np.median(ratios)) if ratios else None,
            spread=(min(ratios), max(ratios)) if len(ratios) > 1 else None,
            judged=any(fnmatch(figure, pattern) for pattern in JUDGED),
        )


def _paired(old: list[Row], new: list[Row]) -> list[tuple[Row, Row]]:
    seeds = {row[SEED]: row for row in old if SEED in row}
    if both := [(seeds[row[SEED]], row) for row in new if row.get(SEED) in seeds]:
        return both
    return list(zip(old, new, strict=False))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every finite number under `value`, by its place: keys and positions with dots between."""
    if isinstance(value, dict):
        items = [(key, item) for key, item in value.items() if name or key not in (*KEYS, SEED)]
    elif isinstance(value, list):
        items = list(enumerate(value) if name != STAGES else _seconds(value).items())
    else:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)
        return
    for key, item in items:
        yield from _flat(item, f"{name}.{key}" if name else str(key))


def _seconds(stages: list[list[Any]]) -> dict[str, float]:
    """The seconds of each stage of a compile, over its rounds; a stage is its name, round, seconds and bytes."""
    found: dict[str, float] = defaultdict(float)
    for stage, _, seconds, _ in stages:
        found[stage] += seconds
    return found


def _higher_is_better(figure: str, row: Row) -> bool:
    said = str(row.get("metric", row.get("unit", "")))
    patterns = (*RIGHT, *QUALITY) if any(word in said for word in HIGHER) else RIGHT
    return any(fnmatch(figure, pattern) for pattern in patterns)


def _ratio(old: float, new: float, higher_is_better: bool) -> float | None:
    if higher_is_better:
        old, new = new, old
    if old == new:
        return 1.0
    if old > 0 and new > 0:
        return new / old
    if old <= 0 and new <= 0:
        return None
    return math.inf if new > 0 else 0.0
