"""The driver's third question: how much does each unit matter, by some criterion? The answer is a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from prunec.calibration.scorefile import SUFFIX, save_scores
from prunec.drivers.default_pipeline import importance_step
from prunec.drivers.job import Job, Model, Recorder, read_options, source_name
from prunec.drivers.request import Request
from prunec.facts import Scores
from prunec.files import checked_file
from prunec.options import NO_BUDGET, Options
from prunec.passbase import Progress

FIND = "structure, calibrate"


def score(
    model: Model,
    output: str | os.PathLike[str] | None = None,
    *,
    importance: str = "reconstruction",
    ema: float | None = None,
    example_inputs: Mapping[str, Tensor] | None = None,
    batches: Sequence[Mapping[str, Tensor]] | None = None,
    progress: Progress | None = None,
    force: bool = False,
    **options: Any,
) -> Scores:
    """Score every unit or sublayer that a compile of `model` could remove.

    Args:
        model: a Hugging Face directory, or any module with `example_inputs`.
        output: the file to write, ending in `.safetensors`; `importance=FILE` reads it again. None writes nothing.
        importance: a criterion, or a mixture of them.
        ema: what is kept of the past a sequence where statistics are moving averages; None weighs all text alike.
        example_inputs: for a module, its keyword inputs by name; sizes of at least 2 become dynamic axes.
        batches: calibration data as inputs of the model, in the place of text.
        progress: where to report; silent by default.
        force: whether an existing file may be replaced.
        options: `calibration`, `task`, `seed`, `cache` and `trust_remote_code`, as in `prunec.options.Options`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it.
    """
    path = checked_file(output, SUFFIX, "scores are", force)
    passes = f"{FIND}, {importance_step(importance, ema)}"
    settings = Options(NO_BUDGET, passes=passes, force=force, **read_options(options))
    request = Request.read(settings, None, "onnx", batches)
    job = Job(source_name(model), request, Recorder(progress))
    loaded, _ = job.load(model, example_inputs)
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        found = job.run(loaded.program, request.passes, request.facts(loaded), Path(scratch)).facts[Scores]
    if path is not None:
        save_scores(found, path)
    return found
