"""The driver's fifth question: which tokens does each unit answer to, and which does a removal forget?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunec.drivers.job import Job, Recorder, read_options
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import Structure
from prunec.files import checked_file, write_text
from prunec.options import NO_BUDGET, Options
from prunec.passbase import Progress
from prunec.report.removal import plan_of, read_removal
from prunec.report.semantics import Semantics
from prunec.report.semantics_build import build_semantics

TOKENS = 32_768
"""Of text that is read: of English prose about two thirds are then tokens frequent enough to be told apart."""
LEAST = 8
"""Occurrences of a token that is told apart."""
SUFFIX = ".json"


def semantics(
    model: str | os.PathLike[str],
    calibration: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    report: str | os.PathLike[str] | None = None,
    top: int = 10,
    progress: Progress | None = None,
    force: bool = False,
    **options: Any,
) -> Semantics:
    """Say which tokens each unit answers to; with a report, which tokens that compile's removal forgets.

    Args:
        model: a Hugging Face directory with a tokenizer.
        calibration: the text, or several by name.
        output: the JSON file to write; None writes nothing.
        report: the report of a compile of `model`. The removal is looked at before any repair.
        top: tokens that a unit answers to at most.
        progress: where to report; silent by default.
        force: whether an existing file may be replaced.
        options: `task`, `seed` and `trust_remote_code`, as in `prunec.options.Options`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it.
    """
    path = checked_file(output, SUFFIX, "answers are", force)
    removal = read_removal(Path(report)) if report is not None else None
    passes = f"structure, calibrate{{score={TOKENS}, choose=512, report=512}}, semantics{{top={top}, least={LEAST}}}"
    settings = Options(NO_BUDGET, passes=passes, force=force, **read_options({"calibration": calibration, **options}))
    job = Job(str(model), Request.read(settings, None, "onnx", None), Recorder(progress))
    loaded, loading = job.load(model, None)
    if loaded.tokenizer is None:
        raise InputError(f"{model} has no tokenizer, so its tokens have no names", "put the tokenizer's files into it")
    *find, attribute = job.request.passes
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        found = job.run(loaded.program, find, job.request.facts(loaded), Path(scratch))
        if removal is not None:
            found.facts.put(plan_of(removal, found.facts[Structure]))
        answered = job.run(loaded.program, [attribute], found.facts, Path(scratch))
    stages = [loading, *found.stages, *answered.stages]
    source = str(report) if report is not None else ""
    result = build_semantics(loaded, loaded.tokenizer, answered.facts, stages, job.recorder.warnings, LEAST, source)
    if path is not None:
        write_text(path, result.to_json())
    return result
