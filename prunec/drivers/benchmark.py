"""The driver's question about artifacts: which is faster here, by how much, and what else does each take?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import prunec
from prunec import catalogue
from prunec.cost.footprint import Footprint, footprint
from prunec.cost.measure import Timing, interleaved, paired_ratio
from prunec.cost.numerics import on_device
from prunec.cost.request import has_length, request
from prunec.cost.timer import Backend, Runner
from prunec.cost.workload import DECODE, PHASES, Workload
from prunec.errors import InputError, PrunecError
from prunec.options import DEVICES
from prunec.passbase import Progress, Silent
from prunec.report.benchmark import Benchmark, Row
from prunec.report.build import machine_of, measured_of
from prunec.report.data import Workload as WorkloadData

SECONDS = 10.0
"""How long all artifacts together are timed."""


def bench(
    artifacts: Sequence[str | os.PathLike[str]],
    *,
    workload: str = "prefill:1x128",
    threads: int | None = None,
    device: str = DEVICES[0],
    seconds: float = SECONDS,
    progress: Progress | None = None,
) -> Benchmark:
    """Time artifacts of any exporter by turns, each request of the same shape.

    Args:
        artifacts: files, or folders with one; the suffix says what runs each. The others are compared with the first.
        workload: what a request is, such as `prefill:1x128`.
        threads: of the runtime; None uses every processor this process may use.
        device: what they run on, `cpu` or `cuda`; nothing else is fallen back to.
        seconds: how long they are timed altogether.
        progress: where to report; silent by default.

    Raises:
        InputError: there is no artifact, one cannot be loaded, or does not take such a request, or the device is not
            there.
    """
    if not artifacts:
        raise InputError("there is nothing to time", "name one artifact or more")
    if not seconds > 0:
        raise InputError(f"{seconds:g} seconds are no time", "give more than 0")
    work, said = Workload.parse(workload, threads), progress or Silent()
    found = dict(catalogue.find_artifact(Path(item)) for item in artifacts)
    paths, backends = list(found), [on_device(kind, device) for kind in found.values()]
    runners = {path: backend.load(path, work) for path, backend in zip(paths, backends, strict=True)}
    work = _fitted(work, runners)
    requests = {str(path): _request(path, runner, work) for path, runner in runners.items()}
    loads = []
    for number, (path, backend) in enumerate(zip(paths, backends, strict=True)):
        said.item("loading each in a process of its own", number, len(paths))
        loads.append(footprint(backend, path, work))
    said.item("timing by turns", 0, 0)
    timings = interleaved(requests, seconds=seconds)
    rows = (
        _row(path, backend, load, timings[str(path)], timings[str(paths[0])], work)
        for path, backend, load in zip(paths, backends, loads, strict=True)
    )
    return Benchmark(
        prunec=prunec.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_of(work.threads),
        workload=WorkloadData(str(work), work.threads),
        rows=tuple(rows),
    )


def _fitted(work: Workload, runners: Mapping[Path, Runner]) -> Workload:
    """`work`, without a length where no artifact takes one.

    Raises:
        InputError: it has none, and an artifact takes one.
    """
    lengths = [path for path, runner in runners.items() if has_length(runner.feeds)]
    if work.phase != DECODE and not lengths:
        return replace(work, phase=PHASES[0], sized=False)
    if lengths and not work.sized:
        raise InputError(
            f"{lengths[0]} takes sequences, and {work} says nothing of their length", f"add it: {work}x128"
        )
    return work


def _request(path: Path, runner: Runner, work: Workload) -> Callable[[], object]:
    """The request to one artifact, tried once.

    Raises:
        InputError: the artifact does not take it.
    """
    if work.past and not any("past" in str(axis) for feed in runner.feeds for axis in feed.shape):
        raise InputError(
            f"{path} takes no cache, so it cannot {work}", "give --workload prefill:1x128, or compile it anew"
        )
    arrays = request(runner.feeds, work)
    try:
        runner(arrays)
    except PrunecError:
        raise
    except Exception as error:  # each runtime raises what it likes
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} does not take {work} ({reason})", "give --workload with a batch and a sequence that it takes"
        ) from error
    return partial(runner, arrays)


def _row(path: Path, backend: Backend, load: Footprint, timing: Timing, first: Timing, work: Workload) -> Row:
    beside = (file for file in path.parent.iterdir() if file.name.startswith(path.name) and file.is_file())
    return Row(
        artifact=str(path),
        runtime=backend.runtime,
        latency=measured_of(timing),
        against_first=paired_ratio(first, timing),
        rows_per_second=work.batch / timing.median * 1e3,
        tokens_per_second=work.batch * work.sequence / timing.median * 1e3 if work.sized else None,
        load_ms=load.load_ms,
        memory_bytes=load.bytes,
        file_bytes=sum(file.stat().st_size for file in beside),
    )
