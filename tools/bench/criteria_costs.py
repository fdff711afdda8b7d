"""What scoring costs: seconds and peak memory of `prunec score`, one criterion a process."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunec.passes.analysis.importance import criteria
from prunec.texts import spelled_texts
from tools.bench.subjects import Subject

SLOW = "loss"
"""The criterion that takes a run of the model for every removal."""
EVERY = "all of units"
"""The row of all criteria of units in one pass, without the slow one and without `expert`, which reads more text."""


def cost(subject: Subject, folder: Path, criterion: str) -> dict[str, Any]:
    """Seconds and peak memory of `prunec score`, of a process of its own."""
    texts = [str(folder / subject.calibration)]
    if criterion == "expert":
        texts = spelled_texts(subject.calibrations(folder))
    with tempfile.TemporaryDirectory() as scratch:
        words = ["score", str(folder / subject.model), "-o", f"{scratch}/scores.safetensors", "--quiet"]
        words += ["--importance", criterion, *(word for text in texts for word in ("--calibration", text))]
        started = time.perf_counter()
        child = os.posix_spawn(sys.executable, [sys.executable, "-m", "prunec", *words], os.environ)
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"prunec {' '.join(words)} failed")
    return {"seconds": seconds, "processor_seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * 1024}


def costs(subject: Subject, folder: Path, rows: list[dict[str, Any]], names: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of costs that are missing."""
    have = {row["criterion"] for row in rows if row["model"] == subject.model and "seconds" in row}
    units = [name for name in names if criteria()[name].scores_units and name not in (SLOW, "expert")]
    for name, spelled in {EVERY: "+".join(units), **{name: name for name in names}}.items():
        if name not in have and (name != "expert" or subject.second):
            yield {"model": subject.model, "criterion": name, **cost(subject, folder, spelled)}
