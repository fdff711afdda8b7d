"""What loading an artifact takes, seen in a process that has loaded nothing else."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import psutil

from prunec.cost.request import request
from prunec.cost.timer import Backend
from prunec.cost.workload import Workload
from prunec.errors import MeasurementError


@dataclass(frozen=True)
class Footprint:
    """What an artifact takes.

    Attributes:
        load_ms: from the call to a session that can run, the file being in the system's cache or not.
        bytes: resident memory that loading and one run added.
    """

    load_ms: float
    bytes: int


def footprint(backend: Backend, path: Path, workload: Workload) -> Footprint:
    """Load the artifact at `path` and run it once, in a process of its own.

    Raises:
        InputError: it cannot be loaded.
        MeasurementError: the process died, as where memory ran out.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        try:
            return pool.submit(_measured, backend, path, workload).result()
        except BrokenProcessPool as error:
            raise MeasurementError(f"loading {path} ended the process", "look whether memory is left") from error


def _measured(backend: Backend, path: Path, workload: Workload) -> Footprint:
    process = psutil.Process(os.getpid())
    before, started = process.memory_info().rss, time.perf_counter()
    runner = backend.load(path, workload)
    loaded = time.perf_counter()
    runner(request(runner.feeds, workload))
    return Footprint((loaded - started) * 1e3, max(0, process.memory_info().rss - before))
