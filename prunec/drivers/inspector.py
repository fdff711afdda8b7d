"""The driver's other question: what could be removed from a model, and what would that save?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from prunec.drivers.job import Job, Model, Recorder, read_options, source_name
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import KINDS, Structure
from prunec.options import NO_BUDGET, Options
from prunec.passbase import Facts, Progress
from prunec.report.inspection import Inspection
from prunec.report.inspection_build import build_inspection

FIND = f"structure{{kinds={'|'.join(KINDS)}}}"
MEASURE = "baseline, cost"


def inspect(
    model: Model,
    *,
    workload: str | None = None,
    example_inputs: Mapping[str, Tensor] | None = None,
    backend: str = "onnx",
    progress: Progress | None = None,
    **options: Any,
) -> Inspection:
    """Say what could be removed from a model, what stays and why; with a workload, what each part could save.

    Args:
        model: a Hugging Face directory, or any module with `example_inputs`.
        workload: what a latency is of, such as `encode:1x128`; without one nothing is timed.
        example_inputs: for a module, its keyword inputs by name; sizes of at least 2 become dynamic axes.
        backend: the artifact kind that is timed.
        progress: where to report; silent by default.
        options: `threads`, `task`, `seed`, `cache` and `trust_remote_code`, as in `prunec.options.Options`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it. A model in which nothing can be
            removed is no error.
    """
    if workload is None and options.get("threads") is not None:
        raise InputError("threads are given, and no workload to time with them", "give --workload, as encode:1x128")
    passes = f"{FIND}, {MEASURE}" if workload is not None else FIND
    settings = Options(NO_BUDGET, workload=workload, passes=passes, **read_options(options))
    request = Request.read(settings, None, backend, None)
    job = Job(source_name(model), request, Recorder(progress))
    loaded, loading = job.load(model, example_inputs)
    facts = request.facts(loaded) if workload is not None else Facts()
    find, measure = request.passes[:1], request.passes[1:]
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        found = job.run(loaded.program, find, facts, Path(scratch))
        stages = [loading, *found.stages]
        if measure and any(item.families for item in found.facts[Structure].sublayers):
            found = job.run(loaded.program, measure, found.facts, Path(scratch))
            stages.extend(found.stages)
        elif measure:
            job.recorder.warn("nothing was timed: no removable units inside a residual branch were found")
    return build_inspection(loaded, found.facts, stages, job.recorder.warnings)
