"""The driver: a model and a budget in, a proven artifact and its report out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from torch import Tensor

from prunec import catalogue
from prunec.cost.target import Target, Verdict
from prunec.destination import Destination
from prunec.drivers.budgets import Amount, Amounts, destinations, parse_budgets
from prunec.drivers.family import Outcome, Parts, run_family
from prunec.drivers.job import Job, Model, Recorder, read_options, source_name
from prunec.drivers.request import Request, side_files
from prunec.errors import InputError, PrunecError
from prunec.facts import Plan, Structure, Weaknesses
from prunec.files import publish, publish_folder, write_text
from prunec.frontends.checkpoint import require_folder, stock_config, write_checkpoint
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Program
from prunec.options import Budget, Options, command_text
from prunec.passbase import Progress
from prunec.pipeline import PipelineResult, Stage, to_text
from prunec.report.build import Circumstances, build_report
from prunec.report.checkpoint import Checkpoint
from prunec.report.data import Report
from prunec.report.deployment import complete
from prunec.report.page.render import render
from prunec.report.weakness import weakness_lines


@dataclass(frozen=True)
class CompileResult:
    """What a compile made.

    Attributes:
        artifact: where the artifact is; None where no output was asked for or the budget was missed.
        report: everything measured.
        program: the slim program, runnable and exportable.
        plan: what was removed.
    """

    artifact: Path | None
    report: Report
    program: Program
    plan: Plan


@dataclass(frozen=True)
class CompileFamily:
    """What one compile made for several budgets.

    Attributes:
        results: in the order of the budgets, without those that failed.
        failures: by budget, why nothing came of it, such as a floor above it.
    """

    results: tuple[CompileResult, ...]
    failures: Mapping[Budget, PrunecError]


@overload
def compile(
    model: Model,
    output: str | os.PathLike[str] | None = None,
    *,
    budget_latency: Amount | None = None,
    speedup: Amount | None = None,
    budget_params: Amount | None = None,
    budget_size: Amount | None = None,
    **options: Any,
) -> CompileResult: ...


@overload
def compile(
    model: Model, output: str | os.PathLike[str] | None = None, **options: Any
) -> CompileResult | CompileFamily: ...


def compile(
    model: Model,
    output: str | os.PathLike[str] | None = None,
    *,
    budget_latency: Amounts | None = None,
    speedup: Amounts | None = None,
    budget_params: Amounts | None = None,
    budget_size: Amounts | None = None,
    example_inputs: Mapping[str, Tensor] | None = None,
    batches: Sequence[Mapping[str, Tensor]] | None = None,
    backend: str = "onnx",
    progress: Progress | None = None,
    **options: Any,
) -> CompileResult | CompileFamily:
    """Prune a model until its artifact holds the budget, and prove it.

    Of several budgets, given as a list, a family comes: the model is traced, scored and measured once, and the output
    `slim.onnx` becomes `slim-1.25x.onnx` and so on, each with its report and published as soon as it holds.

    Args:
        model: a Hugging Face directory, or any module with `example_inputs`.
        output: the artifact to write; its suffix chooses the backend. A path that ends in a slash, or is a folder, gets
            a folder of its own, with all that a user deploys; so does every path with `emit="hf"`. None writes nothing.
        budget_latency: milliseconds, or text such as `20ms`.
        speedup: a factor over the dense artifact.
        budget_params: parameters, or text such as `80M`.
        budget_size: bytes of the artifact, or text such as `200MB`. One budget is given, or several of one kind.
        example_inputs: for a module, its keyword inputs by name; sizes of at least 2 become dynamic axes.
        batches: calibration data as inputs of the model, in the place of text.
        backend: the artifact kind where `output` has no suffix that says it.
        progress: where to report; silent by default.
        options: the other fields of `prunec.options.Options`, such as `calibration` or `importance`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it. A budget that is missed
            after all rounds is no error here: see `report.budget.held`; nothing is written then. Nor is a failure of
            one of several budgets: see `CompileFamily.failures`.
    """
    started = time.perf_counter()
    asked = parse_budgets(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    budgets = (asked,) if isinstance(asked, Budget) else asked
    suffix = catalogue.find_backend(backend).suffixes[0]
    settings = Options(budgets[0], **read_options(options))
    place = Destination.read(output, suffix, emit=settings.emit) if output is not None else None
    places = destinations(place, asked) if place is not None else [None] * len(budgets)
    _check_apart(model, places)
    request = Request.read(settings, places[0], backend, batches)
    requests = [request.asking(*pair) for pair in zip(budgets, places, strict=True)]
    if isinstance(asked, tuple):
        Parts.of(request.passes)
    job = Job(source_name(model), request, Recorder(progress), started)
    loaded, loading = job.load(model, example_inputs)
    if settings.emit == "hf":
        require_folder(loaded)
    # Beside the output, so that the finished artifact is renamed, not copied.
    folder = request.destination.beside if request.destination else None
    with tempfile.TemporaryDirectory(prefix=".prunec-", dir=folder) as scratch:
        if isinstance(asked, tuple):
            return _gathered(run_family(job, loaded, requests, Path(scratch)), loaded, loading)
        result = job.run(loaded.program, request.passes, request.facts(loaded), Path(scratch))
        return _finish(job, result, loaded, loading, Path(scratch) / "artifact")


def _check_apart(model: Model, places: Iterable[Destination | None]) -> None:
    """Make sure that the model that is read stays.

    Raises:
        InputError: its folder is one that is replaced, or lies in it.
    """
    if isinstance(model, (str, os.PathLike)):
        for place in filter(None, places):
            if place.replaces(Path(model)):
                raise InputError(f"the model {model} goes when {place} is written", "choose another --output")


def _gathered(outcomes: Iterable[Outcome], loaded: Loaded, loading: Stage) -> CompileFamily:
    """Finish each outcome as it comes.

    Raises:
        PrunecError: the first failure, where every budget failed.
    """
    results: list[CompileResult] = []
    failures: dict[Budget, PrunecError] = {}
    for outcome in outcomes:
        try:
            if isinstance(outcome.result, PrunecError):
                raise outcome.result
            results.append(_finish(outcome.job, outcome.result, loaded, loading, outcome.staged))
        except PrunecError as error:
            failures[outcome.budget] = error
    if not results:
        raise next(iter(failures.values()))
    return CompileFamily(tuple(results), failures)


def _finish(job: Job, result: PipelineResult, loaded: Loaded, loading: Stage, staged: Path) -> CompileResult:
    """Build the report; where the budget holds, publish it together with the files in `staged`."""
    verdict, place = result.facts.get(Verdict), job.request.destination
    if job.request.options.save_path and not any(stage.name == "save-path" for stage in result.stages):
        job.recorder.warn("nothing was scored or measured, and no path is saved")
    if verdict is None or not verdict.holds:
        place = None
    written = place.artifact if place else None
    report = build_report(result, _circumstances(job, result, loading, written))
    if place is not None and job.request.options.emit == "hf":
        report = _with_checkpoint(report, job, result, loaded, staged)
    if place is not None:
        report.write(staged / place.report.name)
        write_text(staged / place.page.name, render({place.report.name: report}))
        if (weaknesses := result.facts.get(Weaknesses)) is not None:
            text = weakness_lines(weaknesses, loaded.program, loaded.tokenizer)
            write_text(staged / place.weakness.name, text)
        if place.folder is not None:
            as_it_is = report.checkpoint is not None or report.unpruned
            complete(staged, report, result.program, None if as_it_is else stock_config(loaded, result.program))
            publish_folder(staged, place.folder)
        else:
            publish(staged, place.artifact, side_files(place.artifact, job.request.backend))
    return CompileResult(written, report, result.program, result.facts.get(Plan) or Plan({}))


def _with_checkpoint(report: Report, job: Job, result: PipelineResult, loaded: Loaded, staged: Path) -> Report:
    """Put a checkpoint into `staged`, in the place of the file that was timed; the report that says so."""
    job.recorder.item("writing the checkpoint, and loading it again", 0, 0)
    for file in staged.iterdir():
        file.unlink()
    plan = result.facts.get(Plan) or Plan({})
    cuts = plan.cuts(result.facts[Structure])
    made = write_checkpoint(staged, loaded, result.program, cuts, plan.sublayers)
    timed_on = result.facts[Target].backend.runtime
    return replace(
        report,
        model=replace(report.model, artifact_bytes=made.size),
        checkpoint=Checkpoint(made.stock, made.why, made.error, made.tolerance, timed_on),
    )


def _circumstances(job: Job, result: PipelineResult, loading: Stage, written: Path | None) -> Circumstances:
    options, workload = job.request.options, result.facts[Target].workload
    pipeline = to_text(job.request.passes)
    return Circumstances(
        command=command_text(job.source, job.request.destination, options),
        pipeline=pipeline,
        given=options.settings(),
        resolved={"workload": str(workload), "threads": workload.threads, "pipeline": pipeline},
        warnings=tuple(job.recorder.warnings),
        artifact=str(written) if written else None,
        loading=loading,
        seconds=time.perf_counter() - job.started,
    )
